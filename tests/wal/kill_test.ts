/**
 * A real process on the real disk, killed at any moment, again and again: everything it acknowledged is
 * there. `WAL_KILL_ROUNDS` sets how often.
 *
 * @module
 */

import { DenoFileSystem } from "../../wal-wasm/mod.ts";
import { assert, suite } from "../harness.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { linesOf, makeRecords, quietDisk, recoverWal } from "./log_fixture.ts";

const test = suite("kill -9");

const ROUNDS = Number(Deno.env.get("WAL_KILL_ROUNDS") ?? 8);

/** Lets the writer run until it has acknowledged `lines` batches, kills it, and returns what it said. */
async function runAndKill(directory: string, lines: number): Promise<string[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", new URL("./kill_writer.ts", import.meta.url).pathname, directory],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let output = "";
  let isKilled = false;
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    output += text;
    if (!isKilled && output.split("\n").length > lines + 1) {
      child.kill("SIGKILL");
      isKilled = true;
    }
  }
  await child.status;
  // The last line may have been cut.
  return output.split("\n").slice(0, -1);
}

function lastNumber(lines: readonly string[], word: string): number | undefined {
  const found = lines.findLast((line) => line.startsWith(word));
  return found === undefined ? undefined : Number(found.split(" ")[1]);
}

test("nothing acknowledged is lost, however often the process is killed", async () => {
  const root = Deno.makeTempDirSync();
  const directory = `${root}/wal`;
  const random = new SeededRandom(5);
  let acknowledged = 0;
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const lines = await runAndKill(directory, 1 + random.below(40));
      const recovered = lastNumber(lines, "recovered")!;
      assert.ok(recovered >= acknowledged, `round ${round}: ${recovered} of ${acknowledged} records`);
      acknowledged = lastNumber(lines, "acknowledged") ?? acknowledged;
    }
    const { wal, lines, report } = await recoverWal(quietDisk(), {
      fileSystem: new DenoFileSystem(),
      directory,
      segmentBytes: 65_536,
    });
    assert.ok(lines.length >= acknowledged);
    assert.equal(lines, linesOf(makeRecords(0, lines.length, 100)));
    assert.equal(report.damages, []);
    await wal.close();
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});

test.run();
