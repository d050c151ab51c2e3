/**
 * What there is to serve, for those who serve it in one protocol or another.
 *
 * @module
 */

import type { StreamMethod } from "./stream.ts";
import type { UnaryMethod } from "./unary.ts";

/** The methods of one node. */
export interface ServedMethods {
  readonly unary: readonly UnaryMethod[];
  readonly streams: readonly StreamMethod[];
}
