/**
 * The version of this build.
 *
 * @module
 */

/** As in `deno.json`; a test holds them equal. */
export const VERSION = "0.1.0";
