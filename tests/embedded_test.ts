/**
 * The database inside one's own process.
 *
 * @module
 */

import { NotANumberError, PreconditionError } from "../client/transport/error.ts";
import { type DataDirectoryError, PrkDb } from "../mod.ts";
import { assert, assertRejects, suite } from "./harness.ts";
import { pause } from "./support/patience.ts";

const test = suite("embedded database");
const isDirectoryError = (error: Error): error is DataDirectoryError => error.name === "DataDirectoryError";
const folder = Deno.makeTempDirSync({ prefix: "prkdb-embedded-" });
test.after(() => Deno.removeSync(folder, { recursive: true }));

test("it has the client's methods and keeps its data", async () => {
  const dataDir = `${folder}/one`;
  {
    await using db = await PrkDb.open({ dataDir });
    const { version } = await db.put("a", "1");
    assert.is(await db.getText("a"), "1");
    assert.is((await db.getEntry("a"))?.version, version);
    await db.put("json", JSON.stringify({ n: 1 }));
    assert.equal(await db.getJson("json"), { n: 1 });
    const results = await db.writeBatch([
      { kind: "put", key: "b", value: "2" },
      { kind: "delete", key: "a" },
    ]);
    assert.is(results.length, 2);
    assert.equal(await db.getMany(["a", "b"]), [undefined, new TextEncoder().encode("2")]);
    assert.is((await db.delete("b")).existed, true);
    assert.is(await db.increment("n", 2n ** 62n), 2n ** 62n);
    assert.is(await db.increment("n", -(2n ** 62n) - 7n, { precondition: { exists: true } }), -7n);
    const refused = await Promise.allSettled([db.increment("json"), db.put("b", "3"), db.increment("n")]);
    assert.equal(refused.map(({ status }) => status), ["rejected", "fulfilled", "fulfilled"]);
    assert.ok(refused[0].status === "rejected" && refused[0].reason instanceof NotANumberError);
    const batch = await db.writeBatch([
      { kind: "put", key: "{n}a", value: "9223372036854775807" },
      { kind: "increment", key: "{n}a" },
      { kind: "increment", key: "{n}b" },
    ]);
    const errors = batch.map((result) => result.kind === "failed" ? result.error : undefined);
    assert.equal(errors.map((error) => error?.code), ["aborted", "failed_precondition", "aborted"]);
    assert.match(errors[1]!.message, /would not be from -2\^63 to 2\^63-1/);
    await assertRejects(
      () => db.put("json", "x", { precondition: { absent: true } }),
      (error) => error instanceof PreconditionError,
    );
  }
  await using again = await PrkDb.open({ dataDir });
  assert.equal(await again.getJson("json"), { n: 1 });
  assert.is(await again.getText("b"), "3");
  assert.equal([await again.getText("n"), await again.get("{n}a")], ["-6", undefined]);
});

test("keys expire in their time, and an hour is an hour when it is opened again", async () => {
  const dataDir = `${folder}/expiring`;
  const hourMs = 3_600_000;
  const openedAtMs = Date.now();
  {
    await using db = await PrkDb.open({ dataDir });
    await db.put("hour", "x", { ttlMs: hourMs });
    const sentMs = performance.now();
    await db.put("short", "x", { ttlMs: 500 });
    await db.increment("count", 5, { ttlMs: 500 });
    while (await db.get("short") !== undefined) await pause(20);
    // Times of commands are whole milliseconds.
    assert.ok(performance.now() - sentMs >= 500 - 5, `${performance.now() - sentMs} ms`);
    await db.put("short", "new", { precondition: { absent: true } });
    while (await db.get("count") !== undefined) await pause(20);
    assert.is(await db.increment("count"), 1n);
    await assertRejects(() => db.put("a", "1", { ttlMs: 0 }), (error) => error instanceof RangeError);
  }
  await using again = await PrkDb.open({ dataDir });
  assert.equal([await again.getText("short"), await again.getText("count")], ["new", "1"]);
  const { expiresAtMs } = (await again.getEntry("hour"))!;
  const slackMs = 60_000;
  assert.ok(expiresAtMs! >= openedAtMs + hourMs - slackMs, `${expiresAtMs}`);
  assert.ok(expiresAtMs! <= Date.now() + hourMs + slackMs, `${expiresAtMs}`);
});

test("it stays where it was opened when its program goes to another directory", async () => {
  const before = Deno.cwd();
  const elsewhere = Deno.makeTempDirSync({ dir: folder });
  Deno.chdir(folder);
  try {
    await using db = await PrkDb.open({ dataDir: "relative" });
    Deno.chdir(elsewhere);
    // Longer than the node takes to notice that a directory has gone.
    await pause(4_000);
    await db.put("a", "1");
    assert.is(await db.getText("a"), "1");
  } finally {
    Deno.chdir(before);
  }
  await using again = await PrkDb.open({ dataDir: `${folder}/relative` });
  assert.is(await again.getText("a"), "1");
});

test("a directory can be open once only, and with its own number of partitions", async () => {
  const dataDir = `${folder}/two`;
  const db = await PrkDb.open({ dataDir, numPartitions: 2 });
  await assertRejects(
    () => PrkDb.open({ dataDir, numPartitions: 2 }),
    (error) =>
      isDirectoryError(error) && /open already, in this process or another one/.test(error.message) &&
      !error.message.includes("--"),
  );
  await db.put("a", "1");
  await db.close();
  await assertRejects(
    () => PrkDb.open({ dataDir, numPartitions: 9 }),
    (error) =>
      isDirectoryError(error) &&
      /2 partitions, not 9; .* open it with numPartitions 2, or/.test(error.message),
  );
  await using again = await PrkDb.open({ dataDir });
  assert.is(await again.getText("a"), "1");
});

test("options that are misspelt, missing or of another name are refused, and nothing is made", async () => {
  const dataDir = `${folder}/misspelt`;
  for (
    const [options, why] of [
      [undefined, /give \{ dataDir \}, not undefined/],
      [null, /give \{ dataDir \}, not null/],
      [dataDir, /give \{ dataDir \}, not /],
      [{ dataDir, numPartition: 3 }, /"numPartition" is none of dataDir, numPartitions/],
      [{ directory: dataDir }, /"directory" is none of/],
    ] as const
  ) {
    const error = await assertRejects(() => PrkDb.open(options as unknown as { readonly dataDir: string }));
    assert.instance(error, TypeError);
    assert.match(error.message, why);
  }
  await assertRejects(() => Deno.stat(dataDir), (error) => error instanceof Deno.errors.NotFound);
});

test("a number of partitions that cannot be is refused at once, and nothing is made", async () => {
  const dataDir = `${folder}/none`;
  for (const numPartitions of [1.5, 0, -1, NaN, Infinity, 5_000, "9" as unknown as number]) {
    const error = await assertRejects(() => PrkDb.open({ dataDir, numPartitions }));
    assert.instance(error, RangeError);
    assert.match(error.message, /numPartitions must be a whole number from 1 to 4096/);
  }
  await assertRejects(() => PrkDb.open({ dataDir: "" }), (error) => error instanceof TypeError);
  await assertRejects(() => Deno.stat(dataDir), (error) => error instanceof Deno.errors.NotFound);
  await using db = await PrkDb.open({ dataDir, numPartitions: 4_096 });
  await db.put("key", "value");
});

test("a directory that cannot be made is named with what to do", async () => {
  await Deno.writeTextFile(`${folder}/file`, "");
  const dataDir = `${folder}/file/below`;
  const error = await assertRejects(() => PrkDb.open({ dataDir }));
  assert.is(error.name, "DataDirectoryError");
  assert.match(
    error.message,
    /a part of that path is no directory \(Not a directory\); choose another place/,
  );
  assert.instance(error.cause, Deno.errors.NotADirectory);
});

test("thousands of puts at once share their syncs", async () => {
  await using db = await PrkDb.open({ dataDir: `${folder}/three` });
  await Promise.all(Array.from({ length: 5_000 }, (_, at) => db.put(`key-${at}`, `value-${at}`)));
  const values = await db.getMany(Array.from({ length: 5_000 }, (_, at) => `key-${at}`));
  assert.ok(values.every((value, at) => new TextDecoder().decode(value) === `value-${at}`));
});

test.run();
