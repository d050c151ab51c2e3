/**
 * Everything as one file, which is what `deno task compile` puts into a program: run where there is nothing
 * of the project, it is a node that keeps its data, and the command line beside it. What a bundle left behind
 * (a file beside a module, a module that thinks it is the entry) shows here.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { eventually } from "../support/patience.ts";
import { freePort } from "../support/cluster/free_port.ts";
import { ProcessNode } from "../support/cluster/process_node.ts";
import { withoutColours } from "../support/environment.ts";

const test = suite("one file");
const root = new URL("../../", import.meta.url);
const folder = Deno.makeTempDirSync({ prefix: "prkdb-bundle-" });
const bundle = `${folder}/prkdb.js`;
const empty = `${folder}/empty`;
test.after(() => Deno.removeSync(folder, { recursive: true }));

/** Runs the command line of the bundle. */
async function command(...args: readonly string[]): Promise<readonly [code: number, output: string]> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-config", "--cached-only", "--allow-net", "--allow-env=PRKDB_*", bundle, ...args],
    cwd: empty,
    env: withoutColours(),
    clearEnv: true,
  }).output();
  return [code, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr)];
}

function hasStarted(node: ProcessNode): Promise<void> {
  return node.hasStarted ? Promise.resolve() : Promise.reject(new Error(node.standardError));
}

test("the bundle is a node and a command line, in an empty directory", async () => {
  const { tasks, version } = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  assert.match(tasks.compile, / --bundle .* prkdb\.ts$/);
  const args = String(tasks.bundle).split(" ").slice(1).map((word) =>
    word === "dist/prkdb.js" ? bundle : word
  );
  const made = await new Deno.Command(Deno.execPath(), { args, cwd: root.pathname }).output();
  assert.is(made.code, 0, new TextDecoder().decode(made.stderr));
  await Deno.mkdir(empty);
  const ports = [freePort(), freePort()] as const;
  const address = `127.0.0.1:${ports[0]}`;
  const start = async () => {
    const node = ProcessNode.start({
      program: ["--no-config", "--cached-only", bundle, "server"],
      args: ["--node-id=1", `--port=${ports[0]}`, `--metrics-port=${ports[1]}`],
      directory: empty,
    });
    await eventually(() => hasStarted(node));
    return node;
  };
  const first = await start();
  assert.equal(await command("-a", address, "put", "greeting", "hello"), [0, "version 2\n"]);
  first.signal("SIGKILL");
  await first.ended;
  const second = await start();
  assert.equal(await command("-a", address, "get", "greeting"), [0, "hello\n"]);
  assert.is(
    (await command("-a", address, "cluster", "status"))[0],
    0,
    "a word behind it: no cluster is started",
  );
  assert.equal(await command("--version"), [0, `${version}\n`]);
  assert.match((await command("--help"))[1], /prkdb cluster \[flags\].*\n.*prkdb server \[flags\]/);
  second.signal("SIGTERM");
  assert.is((await second.ended).code, 0, second.standardError);
  assert.equal([...Deno.readDirSync(empty)].map(({ name }) => name), ["data"]);
});

test("the bundle starts its own nodes, and tells about that once", async () => {
  const run = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-config", "--cached-only", "-A", bundle, "cluster", ...args],
      cwd: empty,
    }).output();
    return [code, new TextDecoder().decode(stdout), new TextDecoder().decode(stderr)] as const;
  };
  const [code, help] = await run("--help");
  assert.is(code, 0);
  assert.is(help.split("Usage: ").length, 2, help);
  assert.match(help, `deno run -A ${bundle} server --help`);
  assert.is((await run("--version"))[1].trim().split("\n").length, 1);
  // Nodes that refuse at once: they were found, and no port is taken.
  const [refused, , why] = await run("--num-partitions=0");
  assert.is(refused, 2);
  assert.match(why, /--num-partitions|nothing was started/);
  assert.not.match(why, "Module not found");
});

test.run();
