/**
 * What a memtable costs a node that is busy: nine partitions under random puts (16 B keys, 100 B values),
 * flushed one by one so that all together keep within 64 MiB, while each put also makes as much short-lived
 * garbage as a put in a node does. Counted is the processor time of the whole process, the collector's
 * helpers included, and the longest turn of 100 puts.
 *
 * The product's memtable beside the plainest thing that works: a `Map` from byte strings, sorted when it is
 * flushed. Decision 26 has figures.
 *
 * `deno task bench:memtable [--json] [--puts N]`
 *
 * @module
 */

import { byteString } from "../server/kv/byte_string.ts";
import { Memtable } from "../server/storage/memtable/mod.ts";
import { memtableCursors } from "../server/storage/memtable/mod.ts";
import { processorSecondsOf } from "./machine.ts";
import { type Figure, printFigures } from "./report.ts";

const PARTITIONS = 9;
const BUDGET_BYTES = 64 * 1024 * 1024;
const TURN_PUTS = 100;
/** Objects of a put's way through a node that are gone at its end. */
const GARBAGE_OBJECTS = 24;

/** What is measured. */
interface MemtableCandidate {
  readonly memoryBytes: number;
  put(key: Uint8Array, value: Uint8Array, version: number): void;
  /** Walks over everything in order, as a flush does; returns the bytes seen. */
  flush(): number;
}

/** The product's. */
class ArenaCandidate implements MemtableCandidate {
  readonly #memtable = new Memtable(0x5eed);

  get memoryBytes(): number {
    return this.#memtable.memoryBytes;
  }

  put(key: Uint8Array, value: Uint8Array, version: number): void {
    this.#memtable.write(key, value, version);
  }

  flush(): number {
    let bytes = 0;
    for (const cursor of memtableCursors(this.#memtable)) {
      for (cursor.seek(); cursor.isValid; cursor.next()) bytes += cursor.keyEnd - cursor.keyStart;
    }
    return bytes;
  }
}

/** A map sorted at flush; values are copies, as in the product. */
class MapCandidate implements MemtableCandidate {
  readonly #items = new Map<string, { readonly value: Uint8Array; readonly version: number }>();
  memoryBytes = 0;

  put(key: Uint8Array, value: Uint8Array, version: number): void {
    const name = byteString(key);
    // As measured for the state in memory: object, place in the map, view, buffer.
    this.memoryBytes += 240 + key.length + value.length;
    this.#items.set(name, { value: value.slice(), version });
  }

  flush(): number {
    let bytes = 0;
    for (const name of [...this.#items.keys()].sort()) {
      bytes += name.length + this.#items.get(name)!.version * 0;
    }
    return bytes;
  }
}

/** Puts of one contender; printed as figures. */
function measure(name: string, make: () => MemtableCandidate, puts: number): readonly Figure[] {
  const tables = Array.from({ length: PARTITIONS }, make);
  const key = new Uint8Array(17);
  key[0] = 1;
  const value = new Uint8Array(100).fill(7);
  let [seen, longestMs, garbage] = [0, 0, 0];
  const startedSeconds = processorSecondsOf(Deno.pid);
  for (let version = 1; version <= puts;) {
    const turnStarted = performance.now();
    for (let count = 0; count < TURN_PUTS; count++, version++) {
      crypto.getRandomValues(key.subarray(1));
      tables[version % PARTITIONS]!.put(key, value, version);
      garbage += makeGarbage(version);
    }
    longestMs = Math.max(longestMs, performance.now() - turnStarted);
    if (tables.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0) < BUDGET_BYTES) continue;
    const largest = tables.reduce((best, each) => each.memoryBytes > best.memoryBytes ? each : best);
    seen += largest.flush();
    tables[tables.indexOf(largest)] = make();
  }
  const seconds = processorSecondsOf(Deno.pid) - startedSeconds;
  if (seen + garbage === 0) throw new Error("Cannot measure what does nothing");
  return [
    { name: `memtable_${name}_put`, value: (seconds / puts) * 1e6, unit: "us" },
    { name: `memtable_${name}_longest_turn`, value: longestMs, unit: "ms" },
  ];
}

function makeGarbage(seed: number): number {
  const objects: unknown[] = [];
  for (let count = 0; count < GARBAGE_OBJECTS; count++) objects.push({ seed, count, next: objects });
  return objects.length;
}

/** The product's memtable and the map, in turns. */
function main(): void {
  const flag = Deno.args.indexOf("--puts");
  const puts = flag < 0 ? 1_500_000 : Number(Deno.args[flag + 1]);
  const figures = [
    ...measure("nothing", () => ({ memoryBytes: 0, put: () => {}, flush: () => 0 }), puts),
    ...measure("arena", () => new ArenaCandidate(), puts),
    ...measure("map", () => new MapCandidate(), puts),
  ];
  printFigures(figures, Deno.args.includes("--json"));
}

if (import.meta.main) main();
