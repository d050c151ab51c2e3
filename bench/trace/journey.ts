/**
 * Puts the stops of one call together that the nodes have told. The client makes one call at a time, so the
 * first fitting stop is that of the call; messages are told apart by group, entry, round and id of the call.
 *
 * @module
 */

import type { Stop } from "../../server/stops/mod.ts";
import { type CallKind, type JourneyStep, stepsOf } from "./steps.ts";
import type { StopMatch, Timeline } from "./timeline.ts";

/** A call as the client knows it. */
export interface TracedCall extends CallKind {
  readonly group: number;
  /** The node that was called. */
  readonly entry: number;
  readonly leader: number;
  /** Milliseconds since 1970. */
  readonly begunMs: number;
  readonly endedMs: number;
}

/** When each step was taken, by its key, in milliseconds since 1970. */
export type Journey = ReadonlyMap<string, number>;

/** By node. */
export type Timelines = ReadonlyMap<number, Timeline>;

/** What asks the followers, and how they answer. */
interface Round {
  readonly question: StopMatch;
  readonly answer: string;
}

/** The journey of a call, and the first step that is not among the stops; then the journey ends before it. */
export function journeyOf(call: TracedCall, timelines: Timelines): {
  readonly journey: Journey;
  readonly missing: JourneyStep | undefined;
} {
  const tracer = new Tracer(call, timelines);
  tracer.trace();
  const { journey } = tracer;
  return { journey, missing: stepsOf(call).find(({ key }) => !journey.has(key)) };
}

/** Finds one step after the other; what is missing is left out, with all that follows from it. */
class Tracer {
  readonly journey = new Map<string, number>();
  readonly #call: TracedCall;
  readonly #timelines: Timelines;

  constructor(call: TracedCall, timelines: Timelines) {
    this.#call = call;
    this.#timelines = timelines;
  }

  trace(): void {
    const { begunMs, endedMs, entry, group, isForwarded, leader } = this.#call;
    this.journey.set("begun", begunMs);
    this.journey.set("ended", endedMs);
    const head = this.#note("head", this.#first(entry, begunMs, named("head")));
    const request = this.#note("request", this.#first(entry, head?.atMs, named("request")));
    const queued = this.#note("queued", this.#first(entry, request?.atMs, of("queued", { group })));
    const call = isForwarded ? this.#passOn(queued?.atMs) : undefined;
    const asked = this.#round((isForwarded ? call : queued)?.atMs);
    const isResult = isForwarded
      ? of("sent", { what: "reply", index: call?.index })
      : of("settled", { group });
    const result = this.#first(leader, asked?.atMs, isResult);
    this.#note("lastTurn", this.#turnBefore(leader, result));
    if (isForwarded) this.#comeBack(result);
    else this.#note("settled", result);
    this.#note("answered", this.#first(entry, this.journey.get("settled"), named("answered")));
  }

  /** Returns the call as it arrived at the leader. */
  #passOn(fromMs: number | undefined): Stop | undefined {
    const { entry, group, leader } = this.#call;
    const sent = this.#note("callSent", this.#first(entry, fromMs, of("sent", { what: "call", group })));
    this.#note("passTurn", this.#turnBefore(entry, sent));
    const isCall = of("arrived", { what: "call", index: sent?.index });
    return this.#note("callArrived", this.#first(leader, sent?.atMs, isCall));
  }

  #comeBack(reply: Stop | undefined): void {
    const { entry, group } = this.#call;
    this.#note("replySent", reply);
    const isReply = of("arrived", { what: "reply", index: reply?.index });
    const arrived = this.#note("replyArrived", this.#first(entry, reply?.atMs, isReply));
    const settled = this.#note("settled", this.#first(entry, arrived?.atMs, of("settled", { group })));
    this.#note("replyTurn", this.#turnBefore(entry, settled));
  }

  /** What the leader asks of its followers, and how the first of them answers; returns the question. */
  #round(fromMs: number | undefined): Stop | undefined {
    const { kind, group, leader } = this.#call;
    const round: Round = kind === "put"
      ? {
        question: (stop) => stop.what === "appendRequest" && stop.group === group && stop.entries! > 0,
        answer: "appendResponse",
      }
      : {
        question: (stop) => stop.what === "heartbeatRequest" && stop.group === group && stop.index! > 0,
        answer: "heartbeatResponse",
      };
    const isAsked: StopMatch = (stop) => stop.name === "sent" && round.question(stop);
    const asked = this.#note("asked", this.#first(leader, fromMs, isAsked));
    this.#note("turn", this.#turnBefore(leader, asked));
    if (kind === "put") this.#writeOwn(asked);
    this.#note("turnEnd", this.#first(leader, asked?.atMs, named("turnEnd")));
    this.#follow(asked, round);
    return asked;
  }

  #writeOwn(asked: Stop | undefined): void {
    const { leader } = this.#call;
    const frame = this.#note("ownFrame", this.#first(leader, asked?.atMs, named("frame")));
    this.#note("ownSynced", this.#syncOf(leader, frame));
  }

  /** The follower whose answer was the first to arrive. */
  #follow(asked: Stop | undefined, { question, answer }: Round): void {
    const { group, kind, leader } = this.#call;
    if (asked === undefined) return;
    const isAnswer: StopMatch = (stop) =>
      stop.name === "arrived" && stop.what === answer && stop.group === group && stop.index! >= asked.index!;
    const confirmed = this.#note("confirmed", this.#first(leader, asked.atMs, isAnswer));
    const follower = confirmed?.peer ?? 0;
    const isArrived: StopMatch = (stop) =>
      stop.name === "arrived" && question(stop) && stop.index! >= asked.index!;
    const arrived = this.#note("arrived", this.#first(follower, asked.atMs, isArrived));
    const isReplied: StopMatch = (stop) =>
      stop.name === "sent" && stop.what === answer && stop.group === group && stop.index! >= asked.index!;
    const replied = this.#note("replied", this.#first(follower, arrived?.atMs, isReplied));
    if (kind === "get") this.#note("theirTurn", this.#turnBefore(follower, replied));
    else {
      const frame = this.#note("frame", this.#first(follower, arrived?.atMs, named("frame")));
      this.#note("theirTurn", this.#turnBefore(follower, frame));
      this.#note("synced", this.#syncOf(follower, frame));
    }
  }

  /** When what was written by `frame` is durable. */
  #syncOf(node: number, frame: Stop | undefined): Stop | undefined {
    const file = frame?.file;
    const begun = this.#first(node, frame?.atMs, of("syncBegun", { file }));
    return this.#first(node, begun?.atMs, of("synced", { file }));
  }

  #turnBefore(node: number, stop: Stop | undefined): Stop | undefined {
    return stop === undefined ? undefined : this.#timelines.get(node)?.last(stop.atMs, named("turn"));
  }

  #first(node: number, fromMs: number | undefined, matches: StopMatch): Stop | undefined {
    return fromMs === undefined ? undefined : this.#timelines.get(node)?.first(fromMs, matches);
  }

  #note(key: string, stop: Stop | undefined): Stop | undefined {
    if (stop !== undefined) this.journey.set(key, stop.atMs);
    return stop;
  }
}

function named(name: Stop["name"]): StopMatch {
  return (stop) => stop.name === name;
}

function of(
  name: Stop["name"],
  { what, group, index, file }: { [Key in "what" | "group" | "index" | "file"]?: Stop[Key] | undefined },
): StopMatch {
  return (stop) =>
    stop.name === name && (what === undefined || stop.what === what) &&
    (group === undefined || stop.group === group) && (index === undefined || stop.index === index) &&
    (file === undefined || stop.file === file);
}
