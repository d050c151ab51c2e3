/**
 * What callers hand in, checked against the contract's limits and brought into the form that is sent.
 * Everything wrong here is a mistake in the calling program: `TypeError` for the wrong kind of thing,
 * `RangeError` for the wrong size.
 *
 * @module
 */

import { KEY_BYTES_MAX, TIMEOUT_MS_MAX, TTL_MS_MAX, VALUE_BYTES_MAX } from "../../proto/mod.ts";
import type { EncodablePrecondition } from "../codec/mod.ts";
import { copyOf } from "./copy.ts";
import { checkNames, describeKind, type OptionNames } from "./object_check.ts";

/** A key or a value: text is taken as UTF-8. Bytes are copied: they may be changed once the call is made. */
export type Bytes = string | Uint8Array;

/** Addresses of nodes: a list, or one string with commas between them. */
export type Addresses = string | readonly string[];

/**
 * What must hold for a write: no such key, the key at this version (0 is the same as no such key), or the key
 * at any version.
 */
export type PreconditionOption =
  | { readonly absent: true }
  | { readonly version: number }
  | { readonly exists: true };

const PRECONDITIONS: OptionNames = new Set(["absent", "version", "exists"]);

/** What is added to a number. */
const BY_MIN = -(2n ** 63n);
const BY_MAX = 2n ** 63n - 1n;

const encoder = new TextEncoder();

/** The bytes of a key. */
export function keyBytes(key: Bytes): Uint8Array {
  const bytes = toBytes(key, "key");
  if (bytes.length < 1 || bytes.length > KEY_BYTES_MAX) {
    throw new RangeError(
      `Cannot use this key: it must have 1 to ${KEY_BYTES_MAX} bytes, it has ${bytes.length}`,
    );
  }
  return bytes;
}

/** The bytes of a value. */
export function valueBytes(value: Bytes): Uint8Array {
  const bytes = toBytes(value, "value");
  if (bytes.length > VALUE_BYTES_MAX) {
    throw new RangeError(
      `Cannot use this value: it must have at most ${VALUE_BYTES_MAX} bytes, it has ${bytes.length}. ` +
        "Store it in parts under several keys",
    );
  }
  return bytes;
}

/** The precondition in the form that is sent. */
export function preconditionOf(option: PreconditionOption | undefined): EncodablePrecondition | undefined {
  if (option === undefined) return undefined;
  checkNames(option, { known: PRECONDITIONS, what: "precondition" });
  // Callers without a type check can hand in several, and whichever is left out would not be checked.
  const { absent, exists, version }: GivenPrecondition = option;
  const given = [absent, exists, version].filter((each) => each !== undefined);
  if (given.length === 1) {
    if (absent === true) return { kind: "absent" };
    if (exists === true) return { kind: "exists" };
    if (version !== undefined) {
      return { kind: "version", version: wholeNumber(version, { name: "precondition.version", min: 0 }) };
    }
  }
  throw new TypeError(
    "Cannot use precondition: it must be { absent: true }, { exists: true } or { version: number }, and " +
      "only one of them",
  );
}

/** What may stand in a precondition, whatever its type says. */
interface GivenPrecondition {
  readonly absent?: unknown;
  readonly exists?: unknown;
  readonly version?: number;
}

/**
 * What an increment adds.
 *
 * @throws {TypeError} when it is neither a number nor a `bigint`
 * @throws {RangeError} when it is not whole, not exact (a number beyond 2^53−1), or beyond 64 bits
 */
export function addendOf(by: number | bigint): bigint {
  if (typeof by === "number") {
    return BigInt(wholeNumber(by, { name: "by", min: Number.MIN_SAFE_INTEGER }));
  }
  if (typeof by !== "bigint") {
    throw new TypeError(`Cannot use by: it must be a number or a bigint, it is ${describeKind(by)}`);
  }
  if (by >= BY_MIN && by <= BY_MAX) return by;
  throw new RangeError(`Cannot use by: it must be from -2^63 to 2^63-1, it is ${by}`);
}

/**
 * A time to live; 0 when none is given. One that nodes would refuse is refused here: there it would take all
 * calls with it that are joined into the same batch.
 *
 * @throws {TypeError} when it is no number
 * @throws {RangeError} when it is not whole, 0 or less, or more than a hundred years
 */
export function ttlOf(ttlMs: number | undefined): number {
  return ttlMs === undefined ? 0 : wholeNumber(ttlMs, { name: "ttlMs", min: 1, max: TTL_MS_MAX });
}

/** A deadline in milliseconds. */
export function timeoutOf(timeoutMs: number): number {
  return wholeNumber(timeoutMs, { name: "timeoutMs", min: 1, max: TIMEOUT_MS_MAX });
}

/** What a number may be, and how errors call it. */
export interface NumberLimits {
  readonly name: string;
  readonly min: number;
  /** 2^53−1 unless given. */
  readonly max?: number;
}

/** `value` if it is a whole number from `min` to `max`. */
export function wholeNumber(
  value: number,
  { name, min, max = Number.MAX_SAFE_INTEGER }: NumberLimits,
): number {
  if (typeof value !== "number") {
    throw new TypeError(`Cannot use ${name}: it must be a number, it is ${describeKind(value)}`);
  }
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new RangeError(`Cannot use ${name}: it must be a whole number from ${min} to ${max}, it is ${value}`);
}

/**
 * Base URLs of nodes, from `http://host:port`, `https://host:port` or `host:port` (taken as `http`). A URL
 * may leave the port of its scheme out (80, 443), a bare host may not: it would hardly ever be meant.
 *
 * @throws {TypeError} when there is none or one cannot be understood
 */
export function baseUrls(addresses: Addresses): readonly string[] {
  const list = addressList(addresses);
  if (list.length === 0) throw new TypeError("Cannot connect: give the address of at least one node");
  return list.map((address) => {
    const url = typeof address === "string" ? tryUrl(withScheme(address)) : undefined;
    if (url === undefined || !isPlain(url)) throw wrongAddress(address, "");
    if (url.username !== "" || url.password !== "") {
      // Not repeated: a password has no place in logs.
      throw new TypeError(
        `Cannot use an address of ${url.host} with a user or password: nodes take none. Give http://host:port`,
      );
    }
    if (!address.includes("://") && !/:\d+\/?$/.test(address)) {
      throw wrongAddress(address, "the port is missing: ");
    }
    return url.origin;
  });
}

/** Nothing but a scheme, a host, a port and what stands before the host: the rest would be dropped. */
function isPlain({ protocol, hostname, pathname, search, hash }: URL): boolean {
  return (protocol === "http:" || protocol === "https:") && hostname !== "" && pathname.length <= 1 &&
    search === "" && hash === "";
}

function wrongAddress(address: string, why: string): TypeError {
  return new TypeError(
    `Cannot use "${address}" as the address of a node: ${why}it must be host:port or http://host:port`,
  );
}

function addressList(addresses: Addresses): readonly string[] {
  if (typeof addresses === "string") {
    return addresses.split(",").map((address) => address.trim()).filter((address) => address !== "");
  }
  if (Array.isArray(addresses)) return addresses;
  throw new TypeError(
    "Cannot connect: the addresses must be an array of host:port, or one string with commas between them",
  );
}

function withScheme(address: string): string {
  return address.includes("://") ? address : `http://${address}`;
}

function tryUrl(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}

function toBytes(value: Bytes, name: string): Uint8Array {
  if (typeof value === "string") {
    if (value.isWellFormed()) return encoder.encode(value);
    throw loneSurrogate(value, name);
  }
  // A copy, because the call is encoded later, and again whenever it is repeated.
  if (value instanceof Uint8Array) return copyOf(value);
  throw new TypeError(
    `Cannot use this ${name}: it must be a string or a Uint8Array, it is ${describeKind(value)}`,
  );
}

/** UTF-8 has no bytes for half of a pair: all of them would become the same character. */
function loneSurrogate(text: string, name: string): TypeError {
  const position = text.search(/\p{Surrogate}/u);
  const unit = text.charCodeAt(position).toString(16).toUpperCase();
  return new TypeError(
    `Cannot use this ${name}: it has a lone surrogate (U+${unit}) at position ${position}, which is no ` +
      "character. Give the bytes as a Uint8Array if they are meant to be any",
  );
}
