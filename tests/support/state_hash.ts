/**
 * One number for a whole state machine: replicas that have applied the same index must have the same one.
 *
 * @module
 */

import { encodeOutcome, type KvStateMachine } from "../../server/kv/mod.ts";

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/**
 * An unsigned 32-bit hash of every key, value, version, time of expiry and remembered outcome, and of the
 * time that the state stands at: the sum of one FNV-1a hash per key and per time of expiry, so that the order
 * of keys does not matter, and one of all sessions.
 */
export function stateHash(machine: KvStateMachine): number {
  let hash = (machine.appliedIndex + hashText(FNV_OFFSET, `now:${machine.timeMs}`)) >>> 0;
  for (const [key, { value, version }] of machine.entries()) {
    hash = (hash + hashBytes(hashText(FNV_OFFSET, `${key.length}:${key}:${version}`), value)) >>> 0;
  }
  for (const [key, expiresAtMs] of machine.expiryEntries()) {
    hash = (hash + hashText(FNV_OFFSET, `${key.length}:${key}@${expiresAtMs}`)) >>> 0;
  }
  // Sessions have an order that all replicas share: chained, so that a different order shows.
  let sessions = FNV_OFFSET;
  for (const [clientId, sequence, outcome] of machine.sessionEntries()) {
    sessions = hashBytes(hashText(sessions, `${clientId}:${sequence}`), encodeOutcome(outcome));
  }
  return (hash + sessions) >>> 0;
}

function hashText(start: number, text: string): number {
  let hash = start;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME);
  return hash >>> 0;
}

function hashBytes(start: number, bytes: Uint8Array): number {
  let hash = start;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, FNV_PRIME);
  return hash >>> 0;
}
