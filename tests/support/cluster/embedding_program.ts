/**
 * A program with a database inside it that uses up its descriptors, and goes on writing: several files of the
 * log. The argument is the data directory; it prints how many puts succeeded, and gives everything back.
 *
 * @module
 */

import { PrkDb } from "../../../mod.ts";

const MEBIBYTE = 1024 * 1024;
/** A file of the log takes some 60 of them. */
const PUTS = 150;

// The runtime takes descriptors of its own when a signal is first listened to, and ends without them.
const listener = () => {};
Deno.addSignalListener("SIGUSR2", listener);
const directory = Deno.args[0]!;
const db = await PrkDb.open({ dataDir: directory, numPartitions: 1 });
const value = new Uint8Array(MEBIBYTE - 1024);
await db.put("key", value);
const files: Deno.FsFile[] = [];
const outcome = await putAll().catch((error) => `failed: ${error}`);
for (const file of files) file.close();
await db.close();
Deno.removeSignalListener("SIGUSR2", listener);
console.log(`${files.length > 0} ${outcome}`);

async function putAll(): Promise<number> {
  let puts = 0;
  for (; puts < PUTS; puts++) {
    takeAll();
    await db.put("key", value, { timeoutMs: 20_000 });
  }
  return puts;
}

/** Takes every descriptor that is free, those too that the log has just given back. */
function takeAll(): void {
  try {
    for (;;) files.push(Deno.openSync(`${directory}/identity.json`));
  } catch (error) {
    if (Reflect.get(Object(error), "code") !== "EMFILE") throw error;
  }
}
