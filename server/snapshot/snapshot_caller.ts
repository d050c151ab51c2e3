/**
 * The way out: one request over HTTP to another node, over connections of their own, which are used again. So
 * the stream of batches to that node never waits behind a part of a snapshot.
 *
 * @module
 */

import type { SnapshotAnswer } from "../ports/mod.ts";
import { decodeSnapshotAnswer, encodeSnapshotCall, type SnapshotEnvelope } from "./snapshot_codec.ts";
import { SNAPSHOT_PATH, SNAPSHOT_TYPE } from "./snapshot_service.ts";

/** A request without an answer for so long is given up; a part of 1 MiB takes it at 100 KiB/s. */
export const SNAPSHOT_ANSWER_LIMIT_MS = 10_000;
/** No description is longer: some hundred bytes a table. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
/** Of a text that was not expected, so much is shown. */
const SHOWN_MAX = 200;

/** See the module comment. */
export class SnapshotCaller {
  readonly #limitMs: number;
  /** Those under way. */
  readonly #calls = new Set<AbortController>();
  #isClosed = false;

  /** @param limitMs how long an answer is waited for */
  constructor(limitMs = SNAPSHOT_ANSWER_LIMIT_MS) {
    this.#limitMs = limitMs;
  }

  /**
   * Asks the node at `address`, `host:port`.
   *
   * @throws {Error} when there is no answer within the limit, or something else than a node gives it
   */
  async ask(address: string, envelope: SnapshotEnvelope): Promise<SnapshotAnswer> {
    if (this.#isClosed) throw new Error("Cannot ask for a snapshot: this node stops");
    const call = new AbortController();
    const limit = setTimeout(
      () => call.abort(new Error(`no answer within ${this.#limitMs} ms`)),
      this.#limitMs,
    );
    this.#calls.add(call);
    try {
      return await exchange({ address, envelope, signal: call.signal });
    } finally {
      clearTimeout(limit);
      this.#calls.delete(call);
    }
  }

  /** Gives up what is under way; nothing is asked any more. */
  close(): void {
    this.#isClosed = true;
    for (const call of this.#calls) call.abort(new Error("Cannot wait for a snapshot: this node stops"));
  }
}

interface Exchange {
  readonly address: string;
  readonly envelope: SnapshotEnvelope;
  readonly signal: AbortSignal;
}

async function exchange({ address, envelope, signal }: Exchange): Promise<SnapshotAnswer> {
  const response = await fetch(`http://${address}${SNAPSHOT_PATH}`, {
    method: "POST",
    headers: { "content-type": SNAPSHOT_TYPE },
    body: encodeSnapshotCall(envelope),
    redirect: "error",
    signal,
  });
  const announcedBytes = Number(response.headers.get("content-length") ?? 0);
  if (announcedBytes > ANSWER_BYTES_MAX) {
    await response.body?.cancel();
    throw new RangeError(
      `Cannot read an answer of ${announcedBytes} bytes: the limit is ${ANSWER_BYTES_MAX}`,
    );
  }
  const bytes = await response.bytes();
  const isAnswer = response.status === 200 && response.headers.get("content-type") === SNAPSHOT_TYPE;
  if (isAnswer) return decodeSnapshotAnswer(bytes);
  const text = new TextDecoder().decode(bytes.subarray(0, SHOWN_MAX)).trim();
  throw new Error(`Cannot get a snapshot from ${address}: HTTP status ${response.status}: ${text}`);
}
