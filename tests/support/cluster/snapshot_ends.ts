/**
 * Both ends of a snapshot's way without a store: files in memory to be sent, a place in memory where they
 * arrive, a way between them on which a test decides what becomes of each request, and time that the test
 * moves on.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import type { GroupId, NodeId } from "../../../raft/mod.ts";
import type { Clock, SnapshotAnswer, SnapshotRequest, Timer } from "../../../server/ports/mod.ts";
import type {
  HeldSnapshot,
  SnapshotInstall,
  SnapshotSource,
  SnapshotTarget,
} from "../../../server/snapshot/mod.ts";
import { decodeSnapshotAnswer, encodeSnapshotAnswer } from "../../../server/snapshot/snapshot_codec.ts";
import { ManualClock } from "../clock/manual_clock.ts";

/** Time passes in steps, between which promises run to their end. */
const STEP_MS = 50;
/** How long an answer that does not come is waited for. */
const LIMIT_MS = 10_000;

/** A node's clock that a test moves on. */
export class PassingClock implements Clock {
  readonly #manual = new ManualClock();
  readonly #startMs: number;

  constructor(startMs = 1_790_000_000_000) {
    this.#startMs = startMs;
  }

  monotonicMs(): number {
    return this.#manual.now();
  }

  wallMs(): number {
    return this.#startMs + this.#manual.now();
  }

  after(delayMs: number, callback: () => void): Timer {
    const cancel = this.#manual.after(delayMs, callback);
    return { cancel };
  }

  soon(callback: () => void): void {
    this.#manual.after(0, callback);
  }

  /** Lets `ms` pass, and everything happen that comes due. */
  async pass(ms: number): Promise<void> {
    await settle();
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      this.#manual.advance(Math.min(STEP_MS, ms - passed));
      await settle();
    }
  }

  /** Lets time pass until `isTrue`, at most `limitMs`; returns how much has passed. */
  async passUntil(isTrue: () => boolean, limitMs: number): Promise<number> {
    const startMs = this.monotonicMs();
    await settle();
    while (!isTrue()) {
      if (this.monotonicMs() - startMs > limitMs) throw new Error(`not within ${limitMs} ms`);
      await this.pass(STEP_MS);
    }
    return this.monotonicMs() - startMs;
  }
}

/** Resolves when promises have nothing left to do. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 2; round++) await new Promise<void>((resolve) => void setImmediate(resolve));
}

/** A file of a snapshot; its name stands for what is in it. */
export interface NamedFile {
  readonly name: string;
  readonly length: number;
}

/** What is in a file. */
export function contentOf({ name, length }: NamedFile): Uint8Array<ArrayBuffer> {
  const seed = [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 7);
  return Uint8Array.from({ length }, (_, at) => (at * 31 + (at >>> 8) * 7 + seed) & 0xff);
}

/** A source of snapshots of any group. */
export class MemorySource implements SnapshotSource {
  index = 100;
  files: readonly NamedFile[];
  opened = 0;
  released = 0;
  /** What opening waits for. */
  gate: Promise<void> = Promise.resolve();
  /** What reading throws. */
  readError: Error | undefined;
  hasReplica = true;

  constructor(files: readonly NamedFile[]) {
    this.files = files;
  }

  async openSnapshot(_: GroupId): Promise<HeldSnapshot | undefined> {
    await this.gate;
    if (!this.hasReplica) return undefined;
    this.opened++;
    const { files, index } = this;
    const contents = files.map(contentOf);
    let isReleased = false;
    return {
      point: { index },
      description: new TextEncoder().encode(JSON.stringify({ index, files })),
      read: (fileNumber, offset, into) => {
        if (isReleased) throw new Error("read after the release");
        if (this.readError !== undefined) throw this.readError;
        const content = contents[fileNumber - 1];
        if (content === undefined || offset + into.length > content.length) {
          throw new RangeError("the file ends before");
        }
        into.set(content.subarray(offset, offset + into.length));
      },
      release: () => {
        if (isReleased) throw new Error("released twice");
        isReleased = true;
        this.released++;
      },
    };
  }
}

/** Where snapshots arrive. */
export class MemoryTarget implements SnapshotTarget {
  /** What is here of each file, also of those that are not whole. */
  readonly parts = new Map<string, Uint8Array>();
  /** Indexes that were installed. */
  readonly installed: number[] = [];
  begun = 0;
  abandoned = 0;
  isWanted = true;
  /** Which step fails, as on a full disk. */
  failing: "begin" | "write" | "install" | undefined;
  /** What installing waits for. */
  gate: Promise<void> = Promise.resolve();

  begin(_: GroupId, description: Uint8Array): Promise<SnapshotInstall | undefined> {
    if (this.failing === "begin") return Promise.reject(new Error("no space left"));
    if (!this.isWanted) return Promise.resolve(undefined);
    this.begun++;
    const { files } = parse(description);
    const lengthOf = (name: string) => this.parts.get(name)?.length ?? 0;
    const numbered = files.map(({ name, length }, at) => ({
      fileNumber: at + 1,
      fileBytes: length,
      received: lengthOf(name),
    }));
    return Promise.resolve({
      missing: numbered.filter(({ fileBytes, received }) => received < fileBytes),
      write: (fileNumber, offset, bytes) => this.#write(files[fileNumber - 1]!.name, { offset, bytes }),
      abandon: () => Promise.resolve(void this.abandoned++),
    });
  }

  async install(_: GroupId, description: Uint8Array): Promise<void> {
    await this.gate;
    if (this.failing === "install") throw new Error("no space left");
    const { index, files } = parse(description);
    for (const file of files) {
      const { name } = file;
      const content = contentOf(file);
      if (!content.every((byte, at) => byte === this.parts.get(name)?.[at])) {
        throw new Error(`${name} differs`);
      }
    }
    this.installed.push(index);
  }

  #write(name: string, { offset, bytes }: { offset: number; bytes: Uint8Array }): Promise<void> {
    if (this.failing === "write") return Promise.reject(new Error("no space left"));
    const before = this.parts.get(name) ?? new Uint8Array(0);
    if (before.length !== offset) return Promise.reject(new Error(`${name} has a gap or comes twice`));
    const after = new Uint8Array(offset + bytes.length);
    after.set(before);
    after.set(bytes, offset);
    this.parts.set(name, after);
    return Promise.resolve();
  }
}

function parse(description: Uint8Array): { readonly index: number; readonly files: readonly NamedFile[] } {
  return JSON.parse(new TextDecoder().decode(description));
}

/** What becomes of a request. */
export type Fate = "answered" | "requestLost" | "answerLost" | "broken";

/** Answers in the name of a node. */
export type SnapshotAnswerer = (from: NodeId, request: SnapshotRequest) => Promise<SnapshotAnswer>;

/** The way from one node to all others. */
export class FatefulWay {
  /** Decides. */
  fate: (to: NodeId, request: SnapshotRequest) => Fate = () => "answered";
  readonly nodes = new Map<NodeId, SnapshotAnswerer>();
  /** Everything that was asked, in order. */
  readonly asked: { readonly to: NodeId; readonly request: SnapshotRequest }[] = [];
  readonly #from: NodeId;
  readonly #clock: Clock;

  constructor(from: NodeId, clock: Clock) {
    this.#from = from;
    this.#clock = clock;
  }

  async askSnapshot(to: NodeId, request: SnapshotRequest): Promise<SnapshotAnswer> {
    this.asked.push({ to, request });
    const fate = this.fate(to, request);
    const answerer = this.nodes.get(to);
    if (fate === "broken" || answerer === undefined) throw new Error("connection refused");
    const answer = fate === "requestLost" ? undefined : await answerer(this.#from, request);
    if (fate !== "answered" || answer === undefined) return await this.#silence();
    return decodeSnapshotAnswer(encodeSnapshotAnswer(answer));
  }

  #silence(): Promise<never> {
    return new Promise((_, reject) => this.#clock.after(LIMIT_MS, () => reject(new Error("no answer"))));
  }
}
