/**
 * Plain puts at prkdb and at etcd by turns, both clusters up all the time: on a machine that is now faster,
 * now slower, only what was measured a moment apart can be compared.
 *
 * @module
 */

import { type PlainTarget, runPlainLoad } from "./plain_load.ts";
import { type Figure, rounded } from "./report.ts";

const ROUNDS = 7;
const IN_FLIGHT = 256;
const WARM_UP_SECONDS = 2;

/** What takes part; the ratios are against `etcd`. */
export interface Duelists {
  readonly plain: PlainTarget;
  readonly routed: PlainTarget;
  readonly etcd: PlainTarget;
}

/** Median rates, and the medians of the rounds' ratios. */
export async function runDuel(
  duelists: Duelists,
  { seconds, say }: { readonly seconds: number; readonly say: (line: string) => void },
): Promise<Figure[]> {
  const names = ["plain", "routed", "etcd"] as const;
  for (const name of names) await rate(duelists[name], WARM_UP_SECONDS);
  const rounds: { readonly [K in (typeof names)[number]]: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const plain = await rate(duelists.plain, seconds);
    const etcd = await rate(duelists.etcd, seconds);
    const routed = await rate(duelists.routed, seconds);
    rounds.push({ plain, routed, etcd });
    say(
      `round ${round + 1}: plain ${rounded(plain)}/s, etcd ${rounded(etcd)}/s, routed ${rounded(routed)}/s`,
    );
  }
  const against = (name: "plain" | "routed") => median(rounds.map((round) => round[name] / round.etcd));
  return [
    ...names.map((name) => ({
      name: `duel_${name}_put_${IN_FLIGHT}`,
      value: median(rounds.map((round) => round[name])),
      unit: "1/s",
    })),
    { name: `duel_plain_vs_etcd_put_${IN_FLIGHT}`, value: against("plain"), unit: "x" },
    { name: `duel_routed_vs_etcd_put_${IN_FLIGHT}`, value: against("routed"), unit: "x" },
  ];
}

async function rate(target: PlainTarget, seconds: number): Promise<number> {
  const { perSecond, errors } = await runPlainLoad(target, { kind: "put", inFlight: IN_FLIGHT, seconds });
  if (errors > 0) throw new Error(`${errors} puts failed`);
  return perSecond;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
