/**
 * prkdb and etcd by turns, both clusters up all the time: on a machine that is now faster, now slower, only
 * what was measured a moment apart can be compared. What other processes took meanwhile is printed beside it:
 * on a starved machine the ratios say something about the machine, too.
 *
 * @module
 */

import type { Contender, Work } from "./contenders.ts";
import { Machine } from "./machine.ts";
import { type Figure, rounded } from "./report.ts";
import { type LoadResult, runClosedLoop, VALUE } from "./workload.ts";

const WARM_UP_SECONDS = 3;
const LARGE_VALUE = new Uint8Array(16 * 1024).fill(118);

/** One comparison: the same work for each of the contenders named. */
export interface Comparison {
  readonly name: string;
  readonly work: Work;
  /** Against which the others are compared. */
  readonly base: string;
  readonly others: readonly string[];
}

const SMALL = { value: VALUE, keysPerCall: 1 };

/** What is compared, in this order. */
export const COMPARISONS: readonly Comparison[] = [
  {
    name: "put_256",
    work: { kind: "put", inFlight: 256, ...SMALL },
    base: "etcd",
    others: ["prkdb", "prkdb_routed", "prkdb_connect", "etcd_json"],
  },
  {
    name: "get_256",
    work: { kind: "get", inFlight: 256, ...SMALL },
    base: "etcd",
    others: ["prkdb", "prkdb_routed", "prkdb_connect", "etcd_json"],
  },
  {
    name: "put_1",
    work: { kind: "put", inFlight: 1, ...SMALL },
    base: "etcd",
    others: ["prkdb", "prkdb_routed"],
  },
  { name: "get_1", work: { kind: "get", inFlight: 1, ...SMALL }, base: "etcd", others: ["prkdb"] },
  {
    name: "batch_100",
    work: { kind: "batch", inFlight: 8, value: VALUE, keysPerCall: 100 },
    base: "etcd",
    others: ["prkdb"],
  },
  {
    name: "put_16k",
    work: { kind: "put", inFlight: 64, value: LARGE_VALUE, keysPerCall: 1 },
    base: "etcd",
    others: ["prkdb"],
  },
];

/** What one turn came to. */
interface Turn extends LoadResult {
  /** Microseconds of processor the servers used for an item. */
  readonly processorUs: number;
  /** Processors that others had meanwhile. */
  readonly othersShare: number;
}

/** How long and how often. */
export interface DuelPlan {
  readonly rounds: number;
  readonly seconds: number;
  /** Processor time of all servers so far, also of those that rest. */
  readonly serverSeconds: () => number;
  readonly say: (line: string) => void;
}

/** Medians of the rounds, and of their ratios. */
export async function runDuel(
  contenders: ReadonlyMap<string, Contender>,
  comparisons: readonly Comparison[],
  plan: DuelPlan,
): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const contender of contenders.values()) await contender.fill(VALUE);
  for (const comparison of comparisons) figures.push(...await compare(contenders, comparison, plan));
  return figures;
}

async function compare(
  contenders: ReadonlyMap<string, Contender>,
  { name, work, base, others }: Comparison,
  plan: DuelPlan,
): Promise<Figure[]> {
  const { rounds, say } = plan;
  const names = [base, ...others].filter((each) => contenders.has(each));
  const turns = new Map<string, Turn[]>(names.map((each) => [each, []]));
  for (const each of names) await turn(contenders.get(each)!, work, { ...plan, seconds: WARM_UP_SECONDS });
  for (let round = 0; round < rounds; round++) {
    for (const each of names) turns.get(each)!.push(await turn(contenders.get(each)!, work, plan));
  }
  const figures = names.flatMap((each) => show(`duel_${name}_${each}`, turns.get(each)!, say));
  for (const each of names.slice(1)) {
    const ratios = turns.get(each)!.map(({ perSecond }, at) => perSecond / turns.get(base)![at]!.perSecond);
    const ratio = { name: `duel_${name}_${each}_vs_${base}`, value: median(ratios), unit: "x" };
    say(`${ratio.name} ${rounded(ratio.value)} x (${ratios.map(rounded).join(", ")})`);
    figures.push(ratio);
  }
  return figures;
}

async function turn(
  contender: Contender,
  work: Work,
  { seconds, serverSeconds }: Pick<DuelPlan, "seconds" | "serverSeconds">,
): Promise<Turn> {
  const { call, close } = await contender.open(work);
  const machine = new Machine();
  const usedBefore = contender.processorSeconds();
  const allBefore = serverSeconds();
  const result = await runClosedLoop({
    inFlight: work.inFlight,
    seconds,
    itemsPerCall: work.keysPerCall,
    call,
  });
  const used = contender.processorSeconds() - usedBefore;
  const othersShare = machine.othersShare(serverSeconds() - allBefore);
  close();
  if (result.errors > 0) throw new Error(`${result.errors} calls to ${contender.name} failed`);
  const items = result.calls * work.keysPerCall;
  return { ...result, processorUs: used / items * 1e6, othersShare };
}

function show(name: string, turns: readonly Turn[], say: (line: string) => void): Figure[] {
  const of = (read: (turn: Turn) => number) => median(turns.map(read));
  const figures: Figure[] = [
    { name, value: of(({ perSecond }) => perSecond), unit: "1/s" },
    { name: `${name}_p50`, value: of(({ p50Ms }) => p50Ms), unit: "ms" },
    { name: `${name}_p99`, value: of(({ p99Ms }) => p99Ms), unit: "ms" },
    { name: `${name}_processor`, value: of(({ processorUs }) => processorUs), unit: "us" },
    { name: `${name}_others`, value: of(({ othersShare }) => othersShare), unit: "processors" },
  ];
  const [rate, p50, p99, processor, others] = figures.map(({ value }) => rounded(value));
  say(
    `${name.padEnd(30)} ${rate!.padStart(7)} /s   p50 ${p50} ms   p99 ${p99} ms   ${processor} us of ` +
      `processor   others took ${others} processors`,
  );
  return figures;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
