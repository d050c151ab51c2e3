/**
 * The `prkdb` command against a fake cluster: output, exit codes, and once as the process that users start.
 *
 * @module
 */

import { runCommand } from "../../client/cli/command.ts";
import { assert, suite } from "../harness.ts";
import { FakeCluster } from "./fake_cluster.ts";

const test = suite("prkdb command");
const cluster = new FakeCluster();
test.after(() => cluster.close());

interface Ran {
  readonly code: number;
  readonly output: string;
  readonly error: string;
}

async function run(args: readonly string[], input = "", address = cluster.addresses[0]): Promise<Ran> {
  let output = "";
  let error = "";
  const code = await runCommand(args, {
    environment: (name) => name === "PRKDB_ADDRESS" ? address : undefined,
    readInput: () => Promise.resolve(new TextEncoder().encode(input)),
    writeOutput: (bytes) => output += new TextDecoder("latin1").decode(bytes),
    writeError: (text) => error += text,
  });
  return { code, output, error };
}

test("put, get and delete", async () => {
  assert.equal(await run(["put", "a", "one"]), { code: 0, output: "version 1\n", error: "" });
  assert.equal(await run(["get", "a"]), { code: 0, output: "one\n", error: "" });
  assert.equal(await run(["delete", "a"]), { code: 0, output: "deleted\n", error: "" });
  assert.equal(await run(["delete", "a"]), { code: 0, output: "no such key\n", error: "" });
  assert.equal(await run(["get", "a"]), { code: 1, output: "", error: "prkdb: no such key: a\n" });
});

test("a value comes from standard input and leaves as it is", async () => {
  await run(["put", "b", "-"], "line\n");
  assert.is((await run(["get", "b", "--raw"])).output, "line\n");
  assert.is((await run(["get", "b"])).output, "line\n\n");
});

test("bytes as hexadecimal digits and as base64", async () => {
  await run(["--hex", "put", "00ff", "fe01"]);
  assert.is((await run(["--hex", "get", "00ff"])).output, "fe01\n");
  assert.is((await run(["--base64", "get", "AP8="])).output, "/gE=\n");
  assert.is((await run(["--hex", "get", "00ff", "--raw"])).output, "\u00fe\u0001");
  assert.is((await run(["--hex", "get", "0"])).code, 2);
  assert.is((await run(["--base64", "get", "%"])).code, 2);
});

test("JSON on one line", async () => {
  const put = JSON.parse((await run(["--json", "put", "j", "x"])).output);
  assert.equal(JSON.parse((await run(["--json", "get", "j"])).output), { ...put, value: "x" });
  const { output } = await run(["get-many", "j", "nothing", "--json"]);
  assert.equal(JSON.parse(output), [{ key: "j", value: "x" }, { key: "nothing", value: null }]);
  assert.is((await run(["get-many", "j", "nothing"])).output, "j\tx\n");
});

test("preconditions", async () => {
  assert.is((await run(["put", "c", "1", "--if-absent"])).code, 0);
  const refused = await run(["put", "c", "2", "--if-absent"]);
  assert.is(refused.code, 1);
  assert.match(refused.error, /failed_precondition/);
  const { version } = JSON.parse((await run(["--json", "get", "c"])).output);
  assert.is((await run(["put", "c", "2", "--if-version", String(version)])).code, 0);
  assert.is((await run(["delete", "c", "--if-version", String(version)])).code, 1);
});

test("stale and follower reads are asked of replicas", async () => {
  await run(["put", "d", "x"]);
  cluster.calls.length = 0;
  assert.is((await run(["get", "d", "--follower"])).output, "x\n");
  assert.is.not(cluster.calls[0]!.node, cluster.leaderOf("d"));
  assert.is((await run(["get", "d", "--stale"])).output, "x\n");
});

test("status shows every node", async () => {
  const { code, output } = await run(["status"]);
  assert.is(code, 0);
  assert.is(output.match(/^http.*serving/gm)?.length, 3);
  assert.is(JSON.parse((await run(["status", "--json"])).output).length, 3);
});

test("a wrong command line is exit code 2 with one clear message", async () => {
  for (
    const args of [
      [],
      ["put", "a"],
      ["fly"],
      ["put", "a", "b", "--no-such-flag"],
      ["put", "a", "b", "--if-version", "x"],
      ["put", "a", "b", "--if-absent", "--if-version", "1"],
      ["get", "a", "--stale", "--follower"],
      ["--timeout-ms", "0", "get", "a"],
      ["--address", "ftp://x", "get", "a"],
      ["put", "", "x"],
    ]
  ) {
    const { code, error } = await run(args);
    assert.is(code, 2, args.join(" "));
    assert.ok(error.length > 0, args.join(" "));
  }
});

test("help is no error", async () => {
  const { code, output } = await run(["--help"]);
  assert.is(code, 0);
  assert.match(output, /get-many/);
});

test("a cluster that is not there is exit code 1 and names the address", async () => {
  const gone = new FakeCluster({ nodes: 1 });
  const address = gone.addresses[0]!;
  await gone.close();
  const { code, error } = await run(["get", "a"], "", address);
  assert.is(code, 1);
  assert.match(error, address);
});

test("the task starts it with no more permissions than it needs", async () => {
  const tasks = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url))).tasks;
  const [deno, ...args] = (tasks.cli as string).split(" ");
  assert.is(deno, "deno");
  const start = (...own: readonly string[]) =>
    new Deno.Command(Deno.execPath(), {
      args: [...args, ...own],
      cwd: new URL("../..", import.meta.url),
      env: { NO_COLOR: "1" },
      stdin: "null",
    }).output();
  const address = ["--address", cluster.addresses[0]!, "--address", cluster.addresses[1]!];
  const put = await start(...address, "put", "process", "value");
  assert.is(put.code, 0, new TextDecoder().decode(put.stderr));
  const got = await start(...address, "get", "process");
  assert.is(new TextDecoder().decode(got.stdout), "value\n");
  const missing = await start(...address, "get", "nothing");
  assert.is(missing.code, 1);
  assert.is(new TextDecoder().decode(missing.stderr), "prkdb: no such key: nothing\n");
});

test.run();
