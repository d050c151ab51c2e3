/**
 * How much the proof of the front door tries: little in every run of the tests, much in `deno task proof`,
 * which runs the same files with `PRKDB_PROOF=full`.
 *
 * @module
 */

/** By name: what every run tries, and what the proof tries. */
const SIZES = {
  /** Conversations of HTTP/1.1 with the runtime's server and with ours. */
  differential: { small: 3_000, full: 100_000 },
  /** Heads of HTTP/1.1 that chance has changed; a fifth as many bodies, a fiftieth as many connections. */
  heads: { small: 50_000, full: 2_000_000 },
  /** Strings of bytes for the reader of frames. */
  frames: { small: 20_000, full: 2_000_000 },
  /** Blocks of compressed fields. */
  hpack: { small: 30_000, full: 3_000_000 },
  /** Conversations of HTTP/2, of up to 40 frames each. */
  conversations: { small: 1_000, full: 60_000 },
  /** Sockets that are killed anywhere in large requests; small ones are killed at each byte. */
  kills: { small: 240, full: 5_000 },
  /** Connections that say nothing, as far as the limit of descriptors goes. */
  silent: { small: 2_000, full: 10_000 },
  /** Descriptors of a node that silent connections use up. */
  descriptors: { small: 400, full: 8_000 },
  /** Requests that are sent by half. */
  halfSent: { small: 1_000, full: 4_000 },
} as const;

/** What has a size. */
export type ProofPart = keyof typeof SIZES;

/** Whether this is the proof, and not an ordinary run of the tests. */
export const IS_FULL_PROOF = Deno.env.get("PRKDB_PROOF") === "full";

/** The limit of a test whose size is the proof's: far above what it takes beside other busy processes. */
export const PROOF_LIMIT_MS = 7_000_000;

/** How much is tried of `part`; `PRKDB_PROOF_HEADS=9000` and its like say it for one part alone. */
export function proofSize(part: ProofPart): number {
  const own = Deno.env.get(`PRKDB_PROOF_${part.toUpperCase()}`);
  return own === undefined ? SIZES[part][IS_FULL_PROOF ? "full" : "small"] : Number(own);
}
