/**
 * One snapshot on its way to one replica: begun, fetched part by part, installed. It goes on where it stopped
 * when requests are lost. When the snapshot is gone, or its source does not answer and another node leads
 * meanwhile, it begins another one; of what has come already, files that both have count for that.
 *
 * ```
 * begin ─▶ read … read ─▶ install ─▶ end
 *   ▲        │ gone, or another source
 *   └────────┘
 * ```
 *
 * @module
 */

import type { GroupId, NodeId } from "../../raft/mod.ts";
import type { Clock, PeerTransport, SnapshotAnswer, SnapshotRequest, Timer } from "../ports/mod.ts";
import type { Pacer } from "./pacer.ts";
import { SNAPSHOT_PART_BYTES_MAX } from "./snapshot_codec.ts";
import type { MissingFile, SnapshotInstall, SnapshotTarget } from "./snapshot_ports.ts";

/** Between two tries of a request: at least and at most. */
const BACKOFF_MS_MIN = 100;
const BACKOFF_MS_MAX = 2_000;
/** A transfer that brings nothing for so long is given up. */
const PROGRESS_MS_MAX = 60_000;
/** While a snapshot is installed the source hears so often that it is still in use. */
const SIGN_MS = 20_000;

/** What a transfer works with. */
export interface SnapshotTransferOptions {
  readonly group: GroupId;
  readonly leader: NodeId;
  readonly target: SnapshotTarget;
  readonly transport: Pick<PeerTransport, "askSnapshot">;
  readonly clock: Clock;
  readonly pacer: Pacer;
  /** Told of every part. */
  readonly onBytes: (count: number) => void;
  /** Told when all parts are here. */
  readonly onReceived: () => void;
}

/** What a transfer came to. */
export type TransferEnd =
  | { readonly kind: "installed" }
  /** There is no replica any more that wants it. */
  | { readonly kind: "unwanted" }
  | { readonly kind: "stopped" }
  | { readonly kind: "failed"; readonly reason: string };

/** A snapshot that is fetched. */
interface Session {
  readonly source: NodeId;
  readonly snapshotId: number;
  readonly description: Uint8Array;
}

/** How far a file has come. */
type FileProgress = { -readonly [Field in keyof MissingFile]: MissingFile[Field] };

/** See the module comment. */
export class SnapshotTransfer {
  /** Who leads the group, as far as is known; asked when the source does not answer. */
  leader: NodeId;
  readonly #options: SnapshotTransferOptions;
  #session: Session | undefined;
  #install: SnapshotInstall | undefined;
  #files: readonly FileProgress[] = [];
  #backoffMs = BACKOFF_MS_MIN;
  #progressMs: number;
  /** Ends what is waited for. */
  #wake: (() => void) | undefined;
  #isStopped = false;

  constructor(options: SnapshotTransferOptions) {
    this.#options = options;
    this.leader = options.leader;
    this.#progressMs = options.clock.monotonicMs();
  }

  /** Resolves when it has come to an end; never rejects. */
  async run(): Promise<TransferEnd> {
    let end: TransferEnd;
    try {
      end = { kind: await this.#receive() ? "installed" : "unwanted" };
    } catch (error) {
      end = this.#isStopped ? { kind: "stopped" } : { kind: "failed", reason: reasonOf(error) };
    }
    this.#leaveSession();
    await this.#abandon(this.#install);
    return end;
  }

  /** Ends it as soon as no file is being written. */
  stop(): void {
    this.#isStopped = true;
    this.#wake?.();
  }

  /** False: nobody wants it. */
  async #receive(): Promise<boolean> {
    const { group, onReceived, target } = this.#options;
    for (;;) {
      const session = await this.#begin();
      if (!await this.#take(session)) return false;
      if (!await this.#fetchFiles(session)) continue;
      onReceived();
      const install = this.#install!;
      const endSigns = this.#giveSigns(session);
      try {
        await target.install(group, session.description, install);
      } finally {
        endSigns();
      }
      this.#install = undefined;
      return true;
    }
  }

  /** A snapshot at whoever leads. */
  async #begin(): Promise<Session> {
    for (;;) {
      const source = this.leader;
      const answer = await this.#ask(source, { kind: "begin", group: this.#options.group });
      if (answer?.kind !== "begun") continue;
      const { description, snapshotId } = answer;
      return { source, snapshotId, description };
    }
  }

  /** Makes room for it. One that says the same as the one before goes on in its room. */
  async #take(session: Session): Promise<boolean> {
    const before = this.#session;
    if (before !== undefined && before.source !== session.source) this.#leaveSession();
    this.#session = session;
    if (before !== undefined && isEqual(before.description, session.description)) return true;
    const { clock, group, target } = this.#options;
    const earlier = this.#install;
    const install = await target.begin(group, session.description);
    this.#install = install;
    await this.#abandon(earlier);
    this.#mustGoOn();
    // Only the first one is progress: snapshots may be gone again and again before a part of one has come.
    if (before === undefined) this.#progressMs = clock.monotonicMs();
    this.#files = (install?.missing ?? []).map((file) => ({ ...file }));
    return install !== undefined;
  }

  /** False: another snapshot must be begun. */
  async #fetchFiles(session: Session): Promise<boolean> {
    for (const file of this.#files) {
      while (file.received < file.fileBytes) if (!await this.#fetchPart(session, file)) return false;
    }
    return true;
  }

  async #fetchPart({ source, snapshotId }: Session, file: FileProgress): Promise<boolean> {
    const { clock, group, onBytes, pacer } = this.#options;
    const { fileNumber, received: offset } = file;
    const bytesMax = Math.min(file.fileBytes - offset, SNAPSHOT_PART_BYTES_MAX);
    await this.#pause(pacer.delayMsFor(bytesMax));
    const request = { kind: "read", group, snapshotId, fileNumber, offset, bytesMax } as const;
    const answer = await this.#ask(source, request);
    if (answer?.kind !== "part") return false;
    await this.#install!.write(fileNumber, offset, answer.bytes);
    file.received += bytesMax;
    onBytes(bytesMax);
    this.#progressMs = clock.monotonicMs();
    this.#backoffMs = BACKOFF_MS_MIN;
    this.#mustGoOn();
    return true;
  }

  /**
   * Asks again and again.
   *
   * @returns the answer that suits; `undefined` when there will be none from this source for this snapshot
   * @throws {Error} when there was no progress for too long, or the transfer was stopped
   */
  async #ask(source: NodeId, request: SnapshotRequest): Promise<SnapshotAnswer | undefined> {
    for (;;) {
      const { answer, reason } = await this.#askOnce(source, request);
      if (reason === undefined) return answer;
      const idleMs = this.#options.clock.monotonicMs() - this.#progressMs;
      if (idleMs >= PROGRESS_MS_MAX) throw new Error(`no progress for ${PROGRESS_MS_MAX} ms: ${reason}`);
      await this.#pause(this.#backoffMs);
      this.#backoffMs = Math.min(this.#backoffMs * 2, BACKOFF_MS_MAX);
      const isGone = answer?.kind === "refused" && answer.isGone;
      if (isGone || this.leader !== source) return undefined;
    }
  }

  /** An answer, and why it is none to go on with. */
  async #askOnce(
    source: NodeId,
    request: SnapshotRequest,
  ): Promise<{ readonly answer?: SnapshotAnswer; readonly reason?: string }> {
    try {
      const answer = await this.#unlessStopped(this.#options.transport.askSnapshot(source, request));
      const reason = problemWith(answer, request);
      return reason === undefined ? { answer } : { answer, reason };
    } catch (error) {
      this.#mustGoOn();
      return { reason: reasonOf(error) };
    }
  }

  /** While the source hears nothing it would let the snapshot go, and the log behind it. */
  #giveSigns({ source, snapshotId }: Session): () => void {
    const { clock, group, transport } = this.#options;
    let timer: Timer;
    const plan = () => {
      timer = clock.after(SIGN_MS, () => {
        const sign = { kind: "read", group, snapshotId, fileNumber: 0, offset: 0, bytesMax: 0 } as const;
        tell(transport.askSnapshot(source, sign));
        plan();
      });
    };
    plan();
    return () => timer.cancel();
  }

  /** The source may let the snapshot go; if it does not hear of it, it does so in a while. */
  #leaveSession(): void {
    if (this.#session === undefined) return;
    const { source, snapshotId } = this.#session;
    const { group, transport } = this.#options;
    this.#session = undefined;
    tell(transport.askSnapshot(source, { kind: "end", group, snapshotId }));
  }

  async #abandon(install: SnapshotInstall | undefined): Promise<void> {
    try {
      await install?.abandon();
    } catch {
      // Files that cannot be removed now are removed when the store is opened the next time.
    }
  }

  async #pause(delayMs: number): Promise<void> {
    this.#mustGoOn();
    if (delayMs <= 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.after(delayMs, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#wake = undefined;
    this.#mustGoOn();
  }

  async #unlessStopped<Result>(waiting: Promise<Result>): Promise<Result> {
    const result = await new Promise<Result>((resolve, reject) => {
      this.#wake = () => reject(new Error("stopped"));
      waiting.then(resolve, reject);
      if (this.#isStopped) this.#wake();
    });
    this.#wake = undefined;
    this.#mustGoOn();
    return result;
  }

  #mustGoOn(): void {
    if (this.#isStopped) throw new Error("stopped");
  }
}

/** Sends what needs no answer. */
function tell(waiting: Promise<unknown>): void {
  waiting.catch(() => {});
}

function problemWith(answer: SnapshotAnswer, request: SnapshotRequest): string | undefined {
  if (answer.kind === "refused") return answer.reason;
  if (request.kind === "begin" && answer.kind === "begun") return undefined;
  if (request.kind !== "read" || answer.kind !== "part") {
    return `"${request.kind}" is answered by "${answer.kind}"`;
  }
  const { length } = answer.bytes;
  return length === request.bytesMax ? undefined : `a part has ${length} bytes, not ${request.bytesMax}`;
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
