/**
 * Messages and batches as the text that scripts show, and messages from text.
 *
 * @module
 */

import {
  type Entry,
  EntryKind,
  type GroupPersist,
  type Membership,
  type Message,
  NO_NODE,
  type RaftStatus,
  type ReadyBatch,
} from "../../../raft/mod.ts";
import type { ScriptCommand } from "../../script/script_file.ts";
import { textEntry } from "./cluster.ts";

/** One line for a message. */
export function describeMessage(message: Message): string {
  return `${message.from}->${message.to} ${message.kind} term=${message.term}${detail(message)}` +
    replicasOf(message);
}

function replicasOf({ fromReplica = 0, toReplica = 0 }: Message): string {
  return fromReplica === 0 && toReplica === 0 ? "" : ` replicas ${fromReplica}->${toReplica}`;
}

function detail(message: Message): string {
  switch (message.kind) {
    case "preVoteRequest":
      return ` last=${message.lastLogIndex}/${message.lastLogTerm}`;
    case "voteRequest":
      return ` last=${message.lastLogIndex}/${message.lastLogTerm}${message.transfer ? " transfer" : ""}`;
    case "preVoteResponse":
    case "voteResponse":
      return message.granted ? " granted" : " refused";
    case "appendRequest": {
      const { prevLogIndex, prevLogTerm, entries, commit } = message;
      return ` prev=${prevLogIndex}/${prevLogTerm} entries=[${describeEntries(entries)}] commit=${commit}`;
    }
    case "appendResponse": {
      const { success, matchIndex, conflictIndex, conflictTerm } = message;
      if (success) return ` match=${matchIndex}`;
      return ` refused=${matchIndex} conflict=${conflictIndex}/${conflictTerm}`;
    }
    case "heartbeatRequest":
      return ` commit=${message.commit}${heartbeatDetail(message)}`;
    case "heartbeatResponse":
      return heartbeatDetail(message);
    case "readIndexRequest":
      return "";
    case "readIndexResponse":
      return message.granted ? ` index=${message.readIndex}` : " refused";
    case "quietRequest":
    case "commitNotice":
      return ` commit=${message.commit}`;
    case "snapshotNotice":
      return ` index=${message.index}`;
    case "nodeHeartbeat":
      return message.isAnswer ? " answer" : "";
    case "timeoutNowRequest":
      return "";
  }
}

/** What a heartbeat is told apart by. */
interface HeartbeatStamp {
  readonly readRound: number;
  readonly sentAt: number;
}

function heartbeatDetail(message: HeartbeatStamp): string {
  const { readRound, sentAt } = message;
  return `${readRound === 0 ? "" : ` round=${readRound}`}${sentAt === 0 ? "" : ` sent=${sentAt}`}`;
}

/**
 * Index and term of each entry, with `-` behind those that carry nothing and `m` behind changes of
 * membership.
 */
export function describeEntries(entries: readonly Entry[]): string {
  return entries.map((entry) => `${entry.index}/${entry.term}${ENTRY_MARKS[entry.kind]}`).join(" ");
}

const ENTRY_MARKS = { [EntryKind.empty]: "-", [EntryKind.command]: "", [EntryKind.membership]: "m" } as const;

/** The members of a group: voters, and where there are any: outgoing ones, learners and those to come. */
export function describeMembership(membership: Membership): string {
  const { voters, votersOutgoing, learners, learnersNext } = membership;
  const named = (name: string, nodes: readonly number[]) =>
    nodes.length === 0 ? "" : ` ${name} ${nodes.join(",")}`;
  return `voters ${voters.join(",")}${named("outgoing", votersOutgoing)}${named("learners", learners)}` +
    named("next", learnersNext);
}

/** What a node does before its disk has the batch. */
export function describeBegin(batch: ReadyBatch): readonly string[] {
  return [
    ...batch.transitions.map(({ role, term, leader }) =>
      `  is ${role} in term ${term}, leader ${leader === NO_NODE ? "unknown" : leader}`
    ),
    ...batch.messages.map((message) => `  sends ${describeMessage(message)}`),
    ...batch.committed.map(({ entries }) => `  applies ${describeEntries(entries)}`),
    ...batch.memberships.map(({ index, membership }) =>
      `  membership of ${index} in force: ${describeMembership(membership)}`
    ),
    ...batch.reads.map(({ readId, granted, readIndex }) =>
      `  read ${readId} ${granted ? `may be answered from ${readIndex}` : "is refused"}`
    ),
    ...batch.snapshotsWanted.map(({ leader, index }) => `  wants a snapshot of ${leader} from ${index} on`),
    ...batch.persist.map((persist) => `  persists ${describePersist(persist)[0]}`),
  ];
}

/** What one group wants on disk, and what it remembers that others have promised. */
export function describePersist(
  { hardState, entries, promises = [], replicaId }: GroupPersist,
): readonly string[] {
  const state = hardState && `term=${hardState.term} vote=${hardState.vote} commit=${hardState.commit}`;
  return [
    `${replicaId === undefined ? "" : `replica=${replicaId} `}${state ?? "no hard state"} entries=[${
      describeEntries(entries)
    }]`,
    ...promises.map(({ node, term, index, indexTerm }) =>
      `node ${node} was in term ${term}, holds ${index}/${indexTerm}`
    ),
  ];
}

/** What a node does once its disk has the batch. */
export function describeFinish(batch: ReadyBatch): readonly string[] {
  return [
    ...batch.messagesAfterPersist.map((message) => `  then sends ${describeMessage(message)}`),
  ];
}

/** One line for a replica. */
export function describeStatus(node: number, status: RaftStatus): string {
  const { role, term, vote, leader, commit, applied, firstIndex, lastIndex, isQuiet } = status;
  return `${node}: ${role} term=${term} vote=${vote} leader=${leader} ` +
    `log=${firstIndex}..${lastIndex} commit=${commit} applied=${applied}${isQuiet ? " quiet" : ""}`;
}

/** One line for each follower of a leader. */
export function describeProgress(status: RaftStatus): readonly string[] {
  return status.followers.map((follower) => {
    const { node, state, matchIndex, nextIndex, inflightMessages, active } = follower;
    return `${node}: ${state} match=${matchIndex} next=${nextIndex} inflight=${inflightMessages}` +
      `${active ? "" : " silent"}`;
  });
}

/** A message from `inject KIND from=2 to=1 term=3 …`; what is not given is 0, empty or false. */
export function parseMessage(command: ScriptCommand): Message {
  const { words, options } = command;
  const kind = words[0] as Message["kind"];
  const number = (name: string) => Number(options.get(name) ?? 0);
  const [prevLogIndex = 0, prevLogTerm = 0] = parsePosition(options.get("prev"));
  const [lastLogIndex = 0, lastLogTerm = 0] = parsePosition(options.get("last"));
  const [conflictIndex = 0, conflictTerm = 0] = parsePosition(options.get("conflict"));
  // One object with the fields of all kinds: the core reads those of the kind.
  const everything = {
    kind,
    group: 1,
    from: number("from"),
    to: number("to"),
    fromReplica: number("fromReplica"),
    toReplica: number("toReplica"),
    term: number("term"),
    prevLogIndex,
    prevLogTerm,
    lastLogIndex,
    lastLogTerm,
    entries: parseEntries(options.get("entries")),
    commit: number("commit"),
    success: !options.has("refused"),
    matchIndex: Number(options.get("refused") ?? options.get("match") ?? 0),
    conflictIndex,
    conflictTerm,
    granted: words.includes("granted"),
    transfer: words.includes("transfer"),
    readRound: number("round"),
    sentAt: number("sent"),
    readId: number("id"),
    readIndex: number("index"),
    index: number("index"),
  };
  return everything as Message;
}

function parseEntries(text: string | undefined): readonly Entry[] {
  return (text?.split(",") ?? []).map((position) => {
    const [index = 0, term = 0] = parsePosition(position);
    return textEntry({ index, term });
  });
}

function parsePosition(text: string | undefined): readonly number[] {
  return text?.split("/").map(Number) ?? [];
}
