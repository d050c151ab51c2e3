/**
 * How the runtime is started for a node: what the process may do, and how its garbage collector works.
 * `deno.json` says the same for `deno task server` and for the compiled program.
 *
 * @module
 */

/** What a node may do; it asks for nothing else. */
export const PERMISSIONS = [
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env=PRKDB_*",
  // How much memory machine and container have.
  "--allow-sys=systemMemoryInfo",
  "--no-prompt",
] as const;

/**
 * For V8. What a write leaves behind dies young or lives long: a young generation of 16 MiB lets most of it
 * die before it is copied, an old one that begins with 128 MiB is not searched through again and again while
 * it grows (with 256 MiB, what a burst of large requests left behind is held too long). The collector's
 * helper threads would take the processors from other nodes and from the log's syncs. What it brings is in
 * `bench/README.md`.
 */
export const V8_FLAGS =
  "--v8-flags=--no-parallel-scavenge,--min-semi-space-size=16,--initial-old-space-size=128";
