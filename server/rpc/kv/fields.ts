/**
 * Fields of `kv.proto` that more than one method has, from messages to the domain. Whatever passes is valid:
 * every limit of the contract is checked here or in the method's own file, 64-bit numbers become safe
 * integers, and an error names the field, the limit and what was there. Nothing is copied: keys and values
 * are those of the message.
 *
 * @module
 */

import {
  BATCH_MUTATIONS_MAX,
  Consistency as WireConsistency,
  KEY_BYTES_MAX,
  type Precondition as PreconditionMessage,
  type RequestId as RequestIdMessage,
  TTL_MS_MAX,
} from "../../../proto/mod.ts";
import { type DomainError, invalidArgument, type ReadConsistency } from "../../api/mod.ts";
import type { Precondition, RequestId } from "../../kv/mod.ts";

const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER);
const TTL_MAX = BigInt(TTL_MS_MAX);

/** How a read wants to be served. */
export interface Freshness {
  readonly consistency: ReadConsistency;
  readonly maxStalenessMs: number;
}

/** A limit on the bytes of a field. */
export interface ByteLimit {
  /** As in `mutations[3].value`, for the message. */
  readonly field: string;
  /** The constant's name in the contract. */
  readonly limit: string;
  readonly bytesMax: number;
  /** What a caller can do instead. */
  readonly advice: string;
}

/** What a caller reads whose field has more bytes than it may. */
export function tooManyBytes(bytes: number, { field, limit, bytesMax, advice }: ByteLimit): DomainError {
  return invalidArgument(
    `Cannot accept ${field}: it has ${bytes} bytes, the limit is ${bytesMax} (${limit}): ${advice}`,
  );
}

/**
 * @param field where the key stands in the request, for the message
 * @throws {DomainError} `invalidArgument` unless it has 1 to 4,096 bytes
 */
export function checkKey(key: Uint8Array, field: string): void {
  if (key.length === 0) throw invalidArgument(`Cannot accept ${field}: it is empty: give it 1 byte or more`);
  if (key.length <= KEY_BYTES_MAX) return;
  throw tooManyBytes(key.length, {
    field,
    limit: "KEY_BYTES_MAX",
    bytesMax: KEY_BYTES_MAX,
    advice: "choose a shorter key",
  });
}

/** @throws {DomainError} `invalidArgument` for more than 10,000 keys or mutations */
export function checkCount(count: number, field: string): void {
  if (count <= BATCH_MUTATIONS_MAX) return;
  throw invalidArgument(
    `Cannot accept ${count} ${field}: the limit is ${BATCH_MUTATIONS_MAX} (BATCH_MUTATIONS_MAX): ` +
      "send several calls",
  );
}

/** @throws {DomainError} `invalidArgument` for a number that JavaScript cannot hold */
export function toNumber(value: bigint, field: string): number {
  if (value <= SAFE_MAX) return Number(value);
  throw invalidArgument(
    `Cannot accept ${field}: it is ${value}, the limit is ${SAFE_MAX} (2^53-1): choose a smaller number`,
  );
}

/**
 * A time to live; 0 for none.
 *
 * @throws {DomainError} `invalidArgument` for more than a hundred years
 */
export function toTtl(ttl: bigint, path: string): number {
  if (ttl <= TTL_MAX) return Number(ttl);
  throw invalidArgument(
    `Cannot accept ${path}ttl_ms: it is ${ttl}, the limit is ${TTL_MS_MAX} (TTL_MS_MAX): ` +
      "choose a shorter time, or leave it out",
  );
}

/** @throws {DomainError} `invalidArgument` when it expects nothing, or a version out of range */
export function toPrecondition(
  message: PreconditionMessage | undefined,
  path: string,
): Precondition | undefined {
  if (message === undefined) return undefined;
  const { expected } = message;
  switch (expected.case) {
    case "absent":
      if (expected.value) return { kind: "absent" };
      throw invalidArgument(
        `Cannot accept ${path}precondition.absent: it is false: make it true, or expect \`exists\``,
      );
    case "exists":
      if (expected.value) return { kind: "exists" };
      throw invalidArgument(
        `Cannot accept ${path}precondition.exists: it is false: make it true, or expect \`absent\``,
      );
    case "version":
      return { kind: "version", version: toNumber(expected.value, `${path}precondition.version`) };
    case undefined:
      throw invalidArgument(
        `Cannot accept ${path}precondition: it is empty: expect \`absent\`, \`exists\` or a version, or ` +
          "leave it out",
      );
  }
}

/** @throws {DomainError} `invalidArgument` if one of its numbers is out of range */
export function toRequestId(message: RequestIdMessage | undefined): RequestId | undefined {
  if (message === undefined) return undefined;
  if (message.clientId === 0n) {
    throw invalidArgument("Cannot accept request_id.client_id: it is 0: choose a random one");
  }
  const sequence = toNumber(message.sequence, "request_id.sequence");
  if (sequence === 0) {
    throw invalidArgument("Cannot accept request_id.sequence: it is 0: count a client's writes from 1");
  }
  const acknowledgedBelow = toNumber(message.acknowledgedBelow, "request_id.acknowledged_below");
  if (acknowledgedBelow > sequence) {
    throw invalidArgument(
      `Cannot accept request_id.acknowledged_below: it is ${acknowledgedBelow}, ` +
        `the limit is the sequence ${sequence}: acknowledge earlier writes only`,
    );
  }
  return { clientId: message.clientId.toString(16).padStart(16, "0"), sequence, acknowledgedBelow };
}

/**
 * @throws {DomainError} `invalidArgument` for a value that has no name, or an age limit where none applies
 */
export function toFreshness(consistency: WireConsistency, maxStaleness: bigint): Freshness {
  const maxStalenessMs = toNumber(maxStaleness, "max_staleness_ms");
  if (maxStalenessMs > 0 && consistency !== WireConsistency.STALE) {
    throw invalidArgument(
      `Cannot accept max_staleness_ms ${maxStalenessMs}: it goes with consistency STALE only: leave it out, ` +
        "or ask for STALE",
    );
  }
  return { consistency: toConsistency(consistency), maxStalenessMs };
}

function toConsistency(consistency: WireConsistency): ReadConsistency {
  switch (consistency) {
    case WireConsistency.LINEARIZABLE:
      return "linearizable";
    case WireConsistency.FOLLOWER:
      return "follower";
    case WireConsistency.STALE:
      return "stale";
    default:
      // The sender is newer than this node, or broken: an enum field may hold any number.
      throw invalidArgument(
        `Cannot accept consistency ${consistency as number}: it must be 0 (LINEARIZABLE), 1 (FOLLOWER) ` +
          "or 2 (STALE)",
      );
  }
}
