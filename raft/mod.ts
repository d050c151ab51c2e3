/**
 * Consensus as a pure state machine: messages and ticks in, `ReadyBatch` out. Knows no disk, no network, no clock.
 *
 * @module
 */

export * from "./types.ts";
export * from "./message.ts";
export * from "./ready.ts";
