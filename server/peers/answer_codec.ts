/**
 * The border between what a node answers on a peer's stream and the bytes of the answer's body: `PeerAnswer`
 * of `raft.proto` in its envelope, and the end of the stream as Connect has it.
 *
 * @module
 */

import { WireReader, WireWriter } from "../../proto/mod.ts";
import { cutBytes } from "../http/mod.ts";
import { ENVELOPE_HEADER_BYTES, type EnvelopeKind, putEnvelopeHeader } from "./envelope.ts";

/** Why a stream was refused. */
export interface StreamRefusal {
  /** Of Connect, such as `invalid_argument`. */
  readonly code: string;
  readonly message: string;
}

/** One message of the answer's body. */
export type StreamAnswer =
  | { readonly kind: "taken"; readonly taken: number }
  | { readonly kind: "end"; readonly refusal: StreamRefusal | undefined };

/** The answer that all up to the batch number `taken` is here, as an envelope. */
export function encodeTaken(taken: number): Uint8Array<ArrayBuffer> {
  const writer = new WireWriter();
  writer.number(1, taken);
  return enveloped(writer.finish(), "message");
}

/** The end of a stream, as an envelope. */
export function encodeEnd(refusal: StreamRefusal | undefined): Uint8Array<ArrayBuffer> {
  const end = refusal === undefined ? {} : { error: refusal };
  return enveloped(new TextEncoder().encode(JSON.stringify(end)), "end");
}

/**
 * Reads one message.
 *
 * @throws {RangeError} when it is none
 */
export function decodeAnswer(message: Uint8Array, isEnd: boolean): StreamAnswer {
  if (isEnd) return { kind: "end", refusal: decodeRefusal(new TextDecoder().decode(message)) };
  let taken = 0;
  const reader = new WireReader(message);
  while (reader.next()) if (reader.field === 1) taken = reader.number();
  return { kind: "taken", taken };
}

function decodeRefusal(text: string): StreamRefusal | undefined {
  let end: { readonly error?: Partial<StreamRefusal> } | null;
  try {
    end = JSON.parse(text);
  } catch {
    throw new RangeError("the end of its answer cannot be read");
  }
  const error = end?.error;
  if (error === undefined || error === null) return undefined;
  return { code: String(error.code ?? "unknown"), message: String(error.message ?? "no reason given") };
}

function enveloped(message: Uint8Array, kind: EnvelopeKind): Uint8Array<ArrayBuffer> {
  const envelope = cutBytes(ENVELOPE_HEADER_BYTES + message.length);
  putEnvelopeHeader(envelope, 0, { length: message.length, kind });
  envelope.set(message, ENVELOPE_HEADER_BYTES);
  return envelope;
}
