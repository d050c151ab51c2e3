/**
 * What callers hand in, checked against the contract's limits and brought into the form that is sent.
 * Everything wrong here is a mistake in the calling program: `TypeError` for the wrong kind of thing,
 * `RangeError` for the wrong size.
 *
 * @module
 */

import { KEY_BYTES_MAX, TIMEOUT_MS_MAX, VALUE_BYTES_MAX } from "../../proto/mod.ts";
import type { EncodablePrecondition } from "../codec/mod.ts";
import { copyOf } from "./copy.ts";

/** A key or a value: text is taken as UTF-8. Bytes are copied: they may be changed once the call is made. */
export type Bytes = string | Uint8Array;

/** Addresses of nodes: a list, or one string with commas between them. */
export type Addresses = string | readonly string[];

/** What must hold for a write: no such key, or the key at this version (0 is the same as no such key). */
export type PreconditionOption = { readonly absent: true } | { readonly version: number };

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
  if ("absent" in option && option.absent === true) return { kind: "absent" };
  if ("version" in option) {
    return {
      kind: "version",
      version: wholeNumber(option.version, { name: "precondition.version", min: 0 }),
    };
  }
  throw new TypeError("Cannot use this precondition: it must be { absent: true } or { version: number }");
}

/** A time to live; 0 when none is given. */
export function ttlOf(ttlMs: number | undefined): number {
  return ttlMs === undefined ? 0 : wholeNumber(ttlMs, { name: "ttlMs", min: 1 });
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
    throw new TypeError(`Cannot use ${name}: it must be a number, it is a ${typeof value}`);
  }
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new RangeError(`Cannot use ${name}: it must be a whole number from ${min} to ${max}, it is ${value}`);
}

/**
 * Base URLs of nodes, from `http://host:port`, `https://host:port` or `host:port` (taken as `http`).
 *
 * @throws {TypeError} when there is none or one cannot be understood
 */
export function baseUrls(addresses: Addresses): readonly string[] {
  const list = addressList(addresses);
  if (list.length === 0) throw new TypeError("Cannot connect: give the address of at least one node");
  return list.map((address) => {
    const url = typeof address === "string" ? tryUrl(withScheme(address)) : undefined;
    const plain = url !== undefined && url.hostname !== "" && (url.pathname === "/" || url.pathname === "");
    if (!plain || (url.protocol !== "http:" && url.protocol !== "https:")) {
      throw new TypeError(
        `Cannot use "${address}" as the address of a node: it must be host:port or http://host:port`,
      );
    }
    return url.origin;
  });
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
    `Cannot use this ${name}: it must be a string or a Uint8Array, it is ${
      value === null ? "null" : typeof value
    }`,
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
