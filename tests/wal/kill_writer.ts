/**
 * The victim of `kill_test.ts`: appends records as fast as it can and prints the number of each batch once it
 * is acknowledged, until it is killed. Its argument is the directory of the log.
 *
 * @module
 */

import { DenoFileSystem } from "../../wal-wasm/mod.ts";
import { makeRecords, openWal, quietDisk } from "./log_fixture.ts";

/** Records in a batch. */
const BATCH = 7;

const wal = await openWal(quietDisk(), {
  fileSystem: new DenoFileSystem(),
  directory: Deno.args[0]!,
  segmentBytes: 65_536,
});
let count = 0;
await wal.recover(() => count++);
console.log(`recovered ${count}`);

/** Two appends are always under way. */
async function appendForever(): Promise<void> {
  for (;;) {
    const from = count;
    count += BATCH;
    await wal.append(makeRecords(from, from + BATCH, 100));
    console.log(`acknowledged ${from + BATCH}`);
  }
}

await Promise.all([appendForever(), appendForever()]);
