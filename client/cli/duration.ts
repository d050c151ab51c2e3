/**
 * How long a key is to live, as it stands on the command line: `500ms`, `10s`, `5m`, `2h`, `1d`, or a bare
 * number of milliseconds where the option says so. A number without a unit is refused where there could be
 * one: whether it was meant in seconds or in milliseconds, nobody could see.
 *
 * @module
 */

import { InvalidArgumentError, Option } from "commander";

/** Milliseconds of each unit. */
const UNITS: ReadonlyMap<string, number> = new Map([
  ["ms", 1],
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);

/** The contract's limit, a hundred years of 365.25 days. */
const DAYS_MAX = 36_525;
/** The same in milliseconds. */
export const LIVE_MS_MAX: number = DAYS_MAX * 86_400_000;

/** Times to live of writes; at most one of them is given. */
export interface TimeToLive {
  /** Milliseconds, from `--ttl`. */
  readonly ttl?: number;
  readonly ttlMs?: number;
}

/** The options of {@linkcode TimeToLive}. @param otherwise what happens without them */
export function ttlOptions(otherwise: string): readonly Option[] {
  return [
    new Option("--ttl <time>", `let the key expire after so long, as 500ms, 10s, 5m, 2h or 1d; ${otherwise}`)
      .argParser(parseDuration).conflicts("ttlMs"),
    new Option("--ttl-ms <ms>", "the same in milliseconds, without a unit").argParser(parseMilliseconds),
  ];
}

/** Milliseconds of the one that is given. */
export function ttlMsOf({ ttl, ttlMs }: TimeToLive): number | undefined {
  return ttl ?? ttlMs;
}

function parseDuration(text: string): number {
  const [, digits, unit] = /^(\d{1,16})([a-z]+)$/.exec(text) ?? [];
  const unitMs = UNITS.get(unit ?? "");
  if (unitMs === undefined) {
    throw new InvalidArgumentError(
      "It must be a whole number with its unit, which is ms, s, m, h or d: 500ms, 10s, 1d.",
    );
  }
  const ms = Number(digits) * unitMs;
  if (ms >= 1 && ms <= LIVE_MS_MAX) return ms;
  throw new InvalidArgumentError(`It must be from 1ms to ${DAYS_MAX}d.`);
}

function parseMilliseconds(text: string): number {
  const ms = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (ms >= 1 && ms <= LIVE_MS_MAX) return ms;
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${LIVE_MS_MAX}.`);
}
