/**
 * The library for other Deno projects: a copy that imports and type-checks by path and by URL in a project
 * that knows nothing of this one.
 *
 * @module
 */

import { buildDenoLibrary } from "../../client/npm/deno_library.ts";
import { assert, suite } from "../harness.ts";

const test = suite("library for Deno");
const folder = await Deno.makeTempDir({ prefix: "prkdb-deno-" });
const library = new URL(`file://${folder}/library/`);
await buildDenoLibrary(library);
test.after(() => Deno.remove(folder, { recursive: true }));

/** A user's program, strictly typed. */
function programOf(base: string): string {
  return `import { PrkDb, PrkDbError } from "${base}mod.ts";
import { KvService, partitionOfKey } from "${base}proto/services.ts";

await using db: PrkDb = await PrkDb.open({ dataDir: Deno.args[0]!, numPartitions: 2 });
await db.put("greeting", "hello");
const text: string | undefined = await db.getText("greeting");
const partition: number = partitionOfKey(new TextEncoder().encode("greeting"), 2);
console.log(JSON.stringify([text, partition < 2, KvService.typeName, new PrkDbError("closed", "") instanceof Error]));
`;
}

async function deno(project: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: project,
    env: { NO_COLOR: "1" },
  }).output();
  assert.is(code, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

async function tryOut(name: string, base: string): Promise<void> {
  const project = `${folder}/${name}`;
  await Deno.mkdir(project);
  await Deno.writeTextFile(`${project}/deno.json`, "{}");
  await Deno.writeTextFile(`${project}/program.ts`, programOf(base));
  const output = await deno(project, ["run", "--check", "--allow-all", "program.ts", `${project}/data`]);
  assert.equal(JSON.parse(output), ["hello", true, "prkdb.v1.KvService", true]);
}

test("a project imports it by path", () => tryOut("by-path", "../library/"), { limitMs: 90_000 });

test("a project imports it by URL", async () => {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const path = new URL(request.url).pathname.slice(1);
    const type = path.endsWith(".ts") ? "application/typescript" : "text/plain";
    const body = await Deno.readTextFile(new URL(path, library)).catch(() => undefined);
    return body === undefined
      ? new Response(null, { status: 404 })
      : new Response(body, { headers: { "content-type": type } });
  });
  try {
    await tryOut("by-url", `http://127.0.0.1:${server.addr.port}/`);
  } finally {
    await server.shutdown();
  }
}, { limitMs: 90_000 });

test.run();
