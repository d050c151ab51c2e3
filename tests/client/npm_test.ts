/**
 * The npm package, built into a temporary folder: Node.js runs it against a fake cluster, and its
 * declarations type-check for a program that uses it. Where there is no `node` on PATH the first part says so
 * and is left out.
 *
 * @module
 */

import ts from "typescript";
import { buildPackage } from "../../client/npm/build.ts";
import { assert, noteSkipped, suite } from "../harness.ts";
import { freePort } from "../support/cluster/free_port.ts";
import { FakeCluster } from "./fake_cluster.ts";
import { hasNode, linkPackages, runInNode } from "./node_program.ts";

const test = suite("npm package");
const folder = await Deno.makeTempDir({ prefix: "prkdb-npm-" });
await buildPackage(new URL(`file://${folder}/node_modules/prkdb/`));
await linkPackages(folder, ["@bufbuild/protobuf", "@connectrpc/connect"]);
test.after(() => Deno.remove(folder, { recursive: true }));

/** The program of a user; its last line is what the test reads. */
const PROGRAM = `
import { PreconditionError, PrkDbClient, createPrkDbTransport, type BatchResult, type ChangeProgress } from "prkdb";

const client: PrkDbClient = await PrkDbClient.connect([process.argv[2]!]);
await Promise.all(Array.from({ length: 100 }, (_, n) => client.put("key-" + n, "value " + n)));
const values: readonly (Uint8Array | undefined)[] = await client.getMany(["key-7", "none"]);
let refused = 0;
try {
  await client.put("key-1", "x", { precondition: { absent: true } });
} catch (error) {
  if (error instanceof PreconditionError) refused = error.currentVersion ?? -1;
}
const results: readonly BatchResult[] = await client.writeBatch([{ kind: "delete", key: "key-2" }]);
const text: string | undefined = await client.getText("key-3");
const changeId: string = await client.cluster.rebalance();
const changes: readonly ChangeProgress[] = await client.cluster.changes();
const watched = await client.cluster.watchChanges().next();
await client.close();
console.log(JSON.stringify({
  found: new TextDecoder().decode(values[0]),
  missing: values[1] === undefined,
  refused: refused > 0,
  deleted: results[0]?.kind,
  text,
  changed: [changeId, changes.length, watched.value.changeId],
  transport: typeof createPrkDbTransport,
  node: process.versions.node.split(".")[0],
}));
`;

/** One that uses the generated services, and meets a node that is not there. */
const SERVICES_PROGRAM = `
import { PrkDbClient, createPrkDbTransport } from "prkdb";
import { ClusterService, KvService, VALUE_BYTES_MAX } from "prkdb/proto";

const client = await PrkDbClient.connect(process.argv[2]);
await client.put("user:1", "Alice");
const text = await client.getText("user:1");
await client.close();
const transport = createPrkDbTransport({ baseUrl: process.argv[2] });
const method = ClusterService.method.getMetadata;
const { message } = await transport.unary(method, undefined, undefined, undefined, {}, undefined);
const gone = await PrkDbClient.connect("http://127.0.0.1:" + process.argv[3]).catch((error) => error);
console.log(JSON.stringify({
  text,
  nodes: message.nodes.length,
  limit: KvService.typeName === "prkdb.v1.KvService" && VALUE_BYTES_MAX,
  reason: /127.*: Connection refused: no node listens there/.test(gone.message),
}));
`;

test("Node.js runs it", async () => {
  if (!(await hasNode())) return noteSkipped("no node on PATH: the package has not been run");
  const cluster = new FakeCluster();
  cluster.changes.tell({ changeId: "known", finished: true });
  try {
    const file = `${folder}/program.mjs`;
    const script = ts.transpileModule(PROGRAM, {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
    });
    await Deno.writeTextFile(file, script.outputText);
    const { node, ...rest } = await runInNode(file, cluster.addresses[0]!) as { readonly node: string };
    assert.ok(Number(node) >= 20);
    assert.equal(rest, {
      changed: ["change-1", 1, "known"],
      found: "value 7",
      missing: true,
      refused: true,
      deleted: "applied",
      text: "value 3",
      transport: "function",
    });
    assert.is(cluster.stored("key-2"), undefined);
  } finally {
    await cluster.close();
  }
});

test("npm installs it from its folder into an empty project, and everything it needs is found", async () => {
  if (!(await hasNode())) return noteSkipped("no node on PATH: the package has not been installed");
  const cluster = new FakeCluster();
  // Apart from all other packages: Node.js looks into every folder above.
  const place = await Deno.makeTempDir({ prefix: "prkdb-npm-install-" });
  const project = `${place}/project`;
  await Deno.mkdir(project);
  try {
    await buildPackage(new URL(`file://${place}/dist/npm/`));
    const installed = await new Deno.Command("npm", {
      args: ["install", "--offline", "--no-audit", "--no-fund", `${place}/dist/npm`],
      cwd: project,
    }).output();
    assert.is(installed.code, 0, new TextDecoder().decode(installed.stderr));
    await Deno.writeTextFile(`${project}/program.mjs`, SERVICES_PROGRAM);
    const { code, stdout, stderr } = await new Deno.Command("node", {
      args: ["program.mjs", cluster.addresses[0]!, String(freePort())],
      cwd: project,
    }).output();
    assert.is(code, 0, new TextDecoder().decode(stderr));
    assert.equal(JSON.parse(new TextDecoder().decode(stdout)), {
      text: "Alice",
      nodes: 3,
      limit: 1_048_576,
      reason: true,
    });
  } finally {
    await cluster.close();
    await Deno.remove(place, { recursive: true });
  }
}, { limitMs: 60_000 });

test("its declarations type-check, strictly", async () => {
  const file = `${folder}/program.mts`;
  await Deno.writeTextFile(
    file,
    `declare const process: { argv: string[]; versions: { node: string } };${PROGRAM}`,
  );
  const program = ts.createProgram([file], {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ["lib.es2022.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"],
    types: [],
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    preserveSymlinks: true,
  });
  const messages = ts.getPreEmitDiagnostics(program).map(({ file, messageText }) =>
    `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`
  );
  assert.equal(messages, []);
});

test("it asks for exactly what it imports, and for nothing of Deno's", async () => {
  const manifest = JSON.parse(await Deno.readTextFile(`${folder}/node_modules/prkdb/package.json`));
  assert.equal(Object.keys(manifest.dependencies), ["@bufbuild/protobuf", "@connectrpc/connect"]);
  for (const path of scripts(`${folder}/node_modules/prkdb`)) {
    const text = await Deno.readTextFile(path);
    assert.not.match(text, /\bDeno\./, path);
    assert.not.match(text, /from "node:/, path);
  }
});

function* scripts(path: string): Generator<string> {
  for (const entry of Deno.readDirSync(path)) {
    if (entry.isDirectory) yield* scripts(`${path}/${entry.name}`);
    else if (entry.name.endsWith(".js")) yield `${path}/${entry.name}`;
  }
}

test.run();
