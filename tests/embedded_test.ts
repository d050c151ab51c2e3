/**
 * The database inside one's own process.
 *
 * @module
 */

import { PreconditionError } from "../client/transport/error.ts";
import { PrkDb } from "../mod.ts";
import { assert, assertRejects, suite } from "./harness.ts";

const test = suite("embedded database");
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
    await assertRejects(
      () => db.put("json", "x", { precondition: { absent: true } }),
      (error) => error instanceof PreconditionError,
    );
  }
  await using again = await PrkDb.open({ dataDir });
  assert.equal(await again.getJson("json"), { n: 1 });
  assert.is(await again.get("b"), undefined);
});

test("a directory can be open once only, and with its own number of partitions", async () => {
  const dataDir = `${folder}/two`;
  const db = await PrkDb.open({ dataDir, numPartitions: 2 });
  await assertRejects(
    () => PrkDb.open({ dataDir, numPartitions: 2 }),
    (error) => /in use/.test(error.message),
  );
  await db.put("a", "1");
  await db.close();
  await assertRejects(
    () => PrkDb.open({ dataDir, numPartitions: 9 }),
    (error) => /2 partitions, not 9/.test(error.message),
  );
  await using again = await PrkDb.open({ dataDir });
  assert.is(await again.getText("a"), "1");
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

test("thousands of puts at once share their syncs", async () => {
  await using db = await PrkDb.open({ dataDir: `${folder}/three` });
  await Promise.all(Array.from({ length: 5_000 }, (_, at) => db.put(`key-${at}`, `value-${at}`)));
  const values = await db.getMany(Array.from({ length: 5_000 }, (_, at) => `key-${at}`));
  assert.ok(values.every((value, at) => new TextDecoder().decode(value) === `value-${at}`));
});

test.run();
