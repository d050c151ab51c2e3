/**
 * The cluster's own state, replicated by group 0: who is in it, what lies where, and what is being changed.
 *
 * @module
 */

export type * from "./types.ts";
