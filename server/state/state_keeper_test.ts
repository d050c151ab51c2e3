/**
 * That a node stops at once, whatever is under way.
 *
 * @module
 */

import { EntryKind, type MultiRaft } from "../../raft/mod.ts";
import { assert, suite } from "../../tests/harness.ts";
import { MemoryDisk } from "../../tests/support/disk/memory_file_system.ts";
import { until } from "../../tests/support/patience.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import type { Wal } from "../../wal-wasm/mod.ts";
import { createKvReplica, type HostedReplica } from "../calls/mod.ts";
import { encodeCommand } from "../kv/mod.ts";
import { SYSTEM_CLOCK } from "../ports/mod.ts";
import { stateBudget } from "./budget.ts";
import { EntryPlaces } from "./entry_places.ts";
import { StateKeeper } from "./state_keeper.ts";
import { StateStores } from "./state_stores.ts";

const test = suite("state keeper");
const GROUP = 1;
const LIMITS = { state: 1 << 24, log: 1 << 24, calls: 1 << 24 };
const NO_LOG = { suspend() {}, resume() {}, holdsEntry: () => true } as unknown as MultiRaft;

/** What keeps the state of one replica. */
class Bench {
  readonly keeper: StateKeeper;
  readonly replicas = new Map<number, HostedReplica>();
  pauses = 0;

  private constructor(stores: StateStores, source: () => StateKeeper) {
    const clock = SYSTEM_CLOCK;
    const place = { partitionId: 0, group: GROUP };
    this.replicas.set(GROUP, createKvReplica(place, { store: stores.get(GROUP), clock }));
    this.keeper = new StateKeeper({
      stores,
      replicas: this.replicas,
      multiRaft: NO_LOG,
      wal: { end: { segment: 1, offset: 0 } } as unknown as Wal,
      places: new EntryPlaces(),
      budget: stateBudget(LIMITS, {}),
      clock,
      transport: { askSnapshot: (_, request) => source().answerSnapshot(2, request) },
      inbox: { push() {} },
      encode: () => [],
      encodeGone: () => {
        throw new Error("no replica leaves");
      },
      leave: () => {},
    });
  }

  static async open(seed: number, source?: Bench): Promise<Bench> {
    const random = new SeededRandom(seed);
    let bench: Bench | undefined;
    const stores = await StateStores.open({
      fileSystem: new MemoryDisk({ random }).mount(),
      directory: "data",
      cacheBytes: 0,
      pause: () => {
        if (bench !== undefined) bench.pauses++;
        return new Promise((resolve) => setTimeout(resolve, 1));
      },
      randomWord: () => random.word(),
      sizes: { blockBytes: 300 },
    });
    await stores.ensure(GROUP);
    return bench = new Bench(stores, () => source!.keeper);
  }

  put(index: number): void {
    const key = new TextEncoder().encode(`key ${index}`);
    const mutation = {
      kind: "put",
      key,
      value: new Uint8Array(300),
      ttlMs: 0,
      precondition: undefined,
    } as const;
    const data = encodeCommand([mutation], undefined);
    this.replicas.get(GROUP)!.apply([{ index, term: 1, kind: EntryKind.command, data }]);
  }
}

test("a snapshot that is verified holds up no stop", async () => {
  const source = await Bench.open(1);
  for (let index = 1; index <= 10_000; index++) source.put(index);
  const target = await Bench.open(2, source);
  target.keeper.fetchSnapshot({ group: GROUP, leader: 1, index: 1 });
  await until(() => target.keeper.stats.receiving.received === 1, "all of it is there");
  const before = target.pauses;
  await target.keeper.close();
  assert.ok(target.pauses - before < 10, `${target.pauses - before} slices of work were done before`);
  assert.is(target.keeper.stats.installed, 0);
  await source.keeper.close();
});

test.run();
