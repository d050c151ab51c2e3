/**
 * `deno bench` of the log: one group commit of the given batch, unsynced and synced, on the real disk. The
 * whole table, against raw writes, is `deno task bench:wal`.
 *
 * @module
 */

import { DenoFileSystem, type SyncPolicy, Wal } from "../wal-wasm/mod.ts";
import { makeBatch } from "./wal_bench_log.ts";

const RECORD_BYTES = 100;
const SEGMENT_BYTES = 64 * 1024 * 1024;

for (const kind of ["never", "always"] as const) {
  for (const records of [1, 100, 10_000]) await benchAppend({ kind }, records);
}

async function benchAppend(sync: SyncPolicy & { readonly kind: "never" | "always" }, records: number) {
  const directory = await Deno.makeTempDir({ prefix: "prkdb-log-bench-" });
  globalThis.addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));
  const wal = await Wal.open({
    fileSystem: new DenoFileSystem(),
    directory,
    clusterId: "0".repeat(32),
    nodeId: 1,
    segmentBytes: SEGMENT_BYTES,
    sync,
  });
  await wal.recover(() => {});
  const batch = makeBatch({ bytes: RECORD_BYTES, records });
  const groups = new Set(batch.map(({ group }) => group));
  Deno.bench({
    name: `append ${records} × ${RECORD_BYTES} B, ${sync.kind === "always" ? "synced" : "unsynced"}`,
    group: `append ${records}`,
    baseline: sync.kind === "never",
    async fn() {
      await wal.append(batch);
      // Nothing is kept, so that segments are used again and the disk does not fill.
      for (const group of groups) wal.releaseBefore(group, wal.end);
    },
  });
}
