/**
 * The way of a lone call, step by step: who takes it, what it is called in tables, and which step it waits
 * for.
 *
 * @module
 */

/** Whose step it is. */
export type StepRole = "client" | "node" | "leader" | "follower";

/** One step. */
export interface JourneyStep {
  readonly key: string;
  readonly role: StepRole;
  readonly label: string;
  /** The step that it follows, or the later one of several; nothing but the first has none. */
  readonly after: string | readonly string[];
  /** It is taken while others are: the call may not wait for it. */
  readonly isBeside?: boolean;
}

/** What a call is, and which way it comes. */
export interface CallKind {
  readonly kind: "put" | "get";
  /** Through a node that does not lead. */
  readonly isForwarded: boolean;
}

/** The steps of such a call, in the order in which they are usually taken. */
export function stepsOf({ kind, isForwarded }: CallKind): readonly JourneyStep[] {
  const entry: StepRole = isForwarded ? "node" : "leader";
  const arrival = isForwarded ? "callArrived" : "queued";
  return [
    { key: "begun", role: "client", label: "call begins", after: "" },
    { key: "head", role: entry, label: "has read the head", after: "begun" },
    { key: "request", role: entry, label: "has read the request", after: "head" },
    { key: "queued", role: entry, label: "call waits for a turn", after: "request" },
    ...(isForwarded ? WAY_TO_LEADER : []),
    ...(kind === "put" ? roundOfPut(arrival) : roundOfGet(arrival)),
    ...(isForwarded ? WAY_BACK : [
      { key: "settled", role: "leader", label: "result known", after: "lastTurn" } as const,
    ]),
    { key: "answered", role: entry, label: "answer made", after: "settled" },
    { key: "ended", role: "client", label: "has the answer", after: "answered" },
  ];
}

const WAY_TO_LEADER: readonly JourneyStep[] = [
  { key: "passTurn", role: "node", label: "turn begins", after: "queued" },
  { key: "callSent", role: "node", label: "call passed on", after: "passTurn" },
  { key: "callArrived", role: "leader", label: "passed call arrived", after: "callSent" },
];

const WAY_BACK: readonly JourneyStep[] = [
  { key: "replySent", role: "leader", label: "reply sent", after: "lastTurn" },
  { key: "replyArrived", role: "node", label: "reply arrived", after: "replySent" },
  { key: "replyTurn", role: "node", label: "turn begins", after: "replyArrived" },
  { key: "settled", role: "node", label: "result known", after: "replyTurn" },
];

/** From the leader's turn to the one that has what it waits for. @param after the step before it */
function roundOfPut(after: string): readonly JourneyStep[] {
  return [
    { key: "turn", role: "leader", label: "turn begins", after },
    { key: "asked", role: "leader", label: "entry in the log, append sent", after: "turn" },
    { key: "ownFrame", role: "leader", label: "own frame written", after: "asked", isBeside: true },
    { key: "turnEnd", role: "leader", label: "turn ends, sockets are written", after: "asked" },
    { key: "ownSynced", role: "leader", label: "own frame synced", after: "ownFrame", isBeside: true },
    { key: "arrived", role: "follower", label: "append arrived", after: "turnEnd" },
    { key: "theirTurn", role: "follower", label: "turn begins", after: "arrived" },
    { key: "frame", role: "follower", label: "frame written", after: "theirTurn" },
    { key: "synced", role: "follower", label: "frame synced", after: "frame" },
    { key: "replied", role: "follower", label: "acknowledgement sent", after: "synced" },
    { key: "confirmed", role: "leader", label: "acknowledgement arrived", after: "replied" },
    { key: "lastTurn", role: "leader", label: "turn that commits begins", after: ["confirmed", "ownSynced"] },
  ];
}

function roundOfGet(after: string): readonly JourneyStep[] {
  return [
    { key: "turn", role: "leader", label: "turn begins", after },
    { key: "asked", role: "leader", label: "followers asked who leads", after: "turn" },
    { key: "turnEnd", role: "leader", label: "turn ends, sockets are written", after: "asked" },
    { key: "arrived", role: "follower", label: "question arrived", after: "turnEnd" },
    { key: "theirTurn", role: "follower", label: "turn begins", after: "arrived" },
    { key: "replied", role: "follower", label: "answer sent", after: "theirTurn" },
    { key: "confirmed", role: "leader", label: "answer arrived", after: "replied" },
    { key: "lastTurn", role: "leader", label: "turn that reads begins", after: "confirmed" },
  ];
}
