/**
 * The `prkdb` command against a fake cluster: output, exit codes, and once as the process that users start.
 *
 * @module
 */

import { Code } from "@connectrpc/connect";
import { runCommand } from "../../client/cli/command.ts";
import { assert, suite } from "../harness.ts";
import { withoutColours } from "../support/environment.ts";
import { FakeCluster } from "./fake_cluster.ts";

const test = suite("prkdb command");
const cluster = new FakeCluster();
test.after(() => cluster.close());

interface Ran {
  readonly code: number;
  readonly output: string;
  readonly error: string;
}

async function run(
  args: readonly string[],
  input = "",
  { address = cluster.addresses[0], isTerminal = false } = {},
): Promise<Ran> {
  let output = "";
  let error = "";
  const code = await runCommand(args, {
    environment: (name) => name === "PRKDB_ADDRESS" ? address : undefined,
    readInput: () => Promise.resolve(new TextEncoder().encode(input)),
    writeOutput: (bytes) => output += new TextDecoder("latin1").decode(bytes),
    writeError: (text) => error += text,
    isTerminal,
  });
  return { code, output, error };
}

/** What `run` shows a character a byte. */
function decoded(output: string): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(
    Uint8Array.from(output, (char) => char.charCodeAt(0)),
  );
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

test("values that are no text are refused as text, and whole in every other form", async () => {
  await run(["--hex", "put", "626e", "ff41"]);
  const refused = await run(["get", "bn"]);
  assert.equal([refused.code, refused.output], [2, ""]);
  assert.match(
    refused.error,
    /value of bn: it is not UTF-8 text\. Ask for it with --base64, --hex or --json/,
  );
  const many = await run(["get-many", "bn"]);
  assert.equal([many.code, many.output], [2, ""]);
  assert.is((await run(["get", "bn", "--raw"])).output, "\u00ffA");
  const { key, value, valueBase64 } = JSON.parse((await run(["--json", "get", "bn"])).output);
  assert.equal([key, value, valueBase64], ["bn", undefined, "/0E="]);
  assert.equal(JSON.parse((await run(["--json", "--hex", "get", "626e"])).output).value, "ff41");
  await run(["put", "bom", "-"], "\ufeffx");
  assert.is((await run(["get", "bom"])).output, "\u00ef\u00bb\u00bfx\n");
  assert.is(JSON.parse(decoded((await run(["--json", "get", "bom"])).output)).value, "\ufeffx");
});

test("arguments that are no text any more are refused: two keys must not become one", async () => {
  for (const args of [["put", "a\ufffd", "x"], ["put", "a", "\ufffd"], ["get", "\ud800"]]) {
    const { code, error } = await run(args);
    assert.is(code, 2);
    assert.match(error, /Give them with --base64 or --hex/);
  }
  assert.is((await run(["--hex", "put", "efbfbd", "ef"])).code, 0, "U+FFFD itself is a key like others");
});

test("a key that is not there, and nobody who answers, are different exit codes", async () => {
  const silent = new FakeCluster();
  const address = silent.addresses.join(",");
  try {
    assert.is((await run(["get", "nothing"], "", { address })).code, 1);
    silent.fault = () => ({ kind: "hang" });
    const startedMs = performance.now();
    const late = await run(["--timeout-ms", "400", "get", "nothing"], "", { address });
    assert.equal([late.code, late.output], [3, ""]);
    assert.match(late.error, /deadline_exceeded/);
    for (const node of [0, 1, 2]) silent.paused.add(node);
    for (const args of [["get", "a"], ["put", "a", "b"], ["status"], ["cluster", "status"]]) {
      assert.is((await run(["--timeout-ms", "400", ...args], "", { address })).code, 3, args.join(" "));
    }
    assert.ok(
      performance.now() - startedMs < 5 * 400 + 1_500,
      "the limit is the command's, connecting included",
    );
  } finally {
    await silent.close();
  }
});

test("addresses may be repeated and have commas between them", async () => {
  const [first, second, third] = cluster.addresses;
  const list = await run(["-a", `${first}, ${second}`, "-a", third!, "status"]);
  assert.equal([list.code, list.output.match(/serving/g)?.length], [0, 3]);
  const gone = await run(["-a", `127.0.0.1:1,${first}`, "status"]);
  assert.is(gone.code, 0, "one that answers is enough");
});

test("the version is that of deno.json", async () => {
  const { version } = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  assert.equal(await run(["--version"]), { code: 0, output: `${version}\n`, error: "" });
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

test("every change is asked for, and its id is printed", async () => {
  const { taken } = cluster.changes;
  const before = taken.length;
  const commands = [
    ["cluster", "add-node", "4", "db4:50054"],
    ["cluster", "remove-node", "3"],
    ["cluster", "move-replica", "0", "1", "4"],
    ["cluster", "transfer", "5", "2"],
    ["cluster", "rebalance"],
  ];
  for (const args of commands) {
    const { code, output, error } = await run(args);
    assert.equal({ code, output, error }, {
      code: 0,
      output: `change change-${taken.length} has begun\n`,
      error: "",
    });
  }
  assert.equal(taken.slice(before).map(({ what }) => what), [
    "addNode 4 db4:50054",
    "removeNode 3",
    "moveReplica 0 1 4",
    "transferLeadership 5 2",
    "rebalance",
  ]);
  const { output } = await run(["cluster", "rebalance", "--json"]);
  assert.equal(JSON.parse(output), { changeId: `change-${taken.length}` });
});

test("a change is watched to its end, by lines and by a bar", async () => {
  const { changes } = cluster;
  changes.onTaken = (changeId) => {
    const description = `even out ${changeId}`;
    changes.tell({ changeId, description, done: 1, total: 2 });
    changes.tell({ changeId, description, done: 2, total: 2, finished: true });
  };
  try {
    const plain = await run(["cluster", "rebalance", "--watch"]);
    const id = changes.taken.length;
    assert.equal(plain, {
      code: 0,
      output: `done: even out change-${id}: 2 of 2 steps\n`,
      error: `even out change-${id}: 2 of 2 steps\n`,
    });
    const drawn = await run(["cluster", "rebalance", "-w"], "", { isTerminal: true });
    assert.is(drawn.code, 0);
    assert.match(drawn.error, /█{24} 100% \| 2\/2 \| even out change-/);
    assert.match(drawn.error, /\n$/);
    assert.not.match(drawn.error, /\?25l|\?7l/, "the terminal is left as it was");
    const json = JSON.parse((await run(["cluster", "add-node", "4", "a:1", "--watch", "--json"])).output);
    assert.equal([json.isFinished, json.done, json.total], [true, 2, 2]);
  } finally {
    changes.onTaken = () => {};
  }
});

test("the id of a change can be followed, and changes are listed", async () => {
  const { changes } = cluster;
  const changeId = /^change (\S+) has begun/.exec((await run(["cluster", "rebalance"])).output)![1]!;
  changes.tell({ changeId, description: "even out", done: 1, total: 2 });
  const opened = changes.watchesOpened;
  const watched = run(["cluster", "watch", changeId]);
  while (changes.watchesOpened < opened + 2) await new Promise((resolve) => setTimeout(resolve, 2));
  changes.tell({ changeId, description: "even out", done: 2, total: 2, finished: true });
  assert.equal([(await watched).code, (await watched).output], [0, "done: even out: 2 of 2 steps\n"]);
  const { code, output } = await run(["cluster", "changes"]);
  assert.is(code, 0);
  assert.match(output, new RegExp(`^change ${changeId} {2}even out: 2 of 2 steps {2}done$`, "m"));
  const unknown = await run(["--timeout-ms", "5000", "cluster", "watch", "no-such"]);
  assert.is(unknown.code, 1);
  assert.match(unknown.error, /no such change: no-such\. See prkdb cluster changes/);
});

test("steps are shown as they come", async () => {
  const { changes } = cluster;
  const opened = changes.watchesOpened;
  let id = "";
  changes.onTaken = (changeId) => changes.tell({ changeId: id = changeId, description: "move", total: 0 });
  const told = (async () => {
    while (changes.watchesOpened === opened) await new Promise((resolve) => setTimeout(resolve, 2));
    for (let done = 1; done <= 3; done++) {
      changes.tell({ changeId: id, description: "move", done, total: 3, finished: done === 3 });
    }
  })();
  try {
    const { error } = await run(["cluster", "move-replica", "0", "1", "4", "--watch"]);
    await told;
    assert.is(error, "move\nmove: 1 of 3 steps\nmove: 2 of 3 steps\nmove: 3 of 3 steps\n");
  } finally {
    changes.onTaken = () => {};
  }
});

test("a change that ends undone, or is refused, is exit code 1 and says why", async () => {
  const { changes } = cluster;
  changes.onTaken = (changeId) =>
    changes.tell({
      changeId,
      description: "add node 4",
      total: 4,
      finished: true,
      error: "node 4 was removed",
    });
  const undone = await run(["cluster", "add-node", "4", "a:1", "--watch"]);
  changes.onTaken = () => {};
  assert.is(undone.code, 1);
  assert.match(undone.error, /prkdb: .*node 4 was removed \(aborted\)\n$/);
  changes.fault = () => ({ kind: "error", code: Code.InvalidArgument, message: "there is no node 9" });
  const refused = await run(["cluster", "remove-node", "9"]);
  changes.fault = () => undefined;
  assert.equal(refused, { code: 1, output: "", error: "prkdb: there is no node 9 (invalid_argument)\n" });
});

test("the cluster's status shows nodes, partitions and what is under way", async () => {
  cluster.changes.tell({ changeId: "under-way", description: "add node 9", done: 3, total: 8 });
  const { code, output } = await run(["cluster", "status"]);
  assert.is(code, 0);
  assert.match(output, /^cluster fake {2}epoch 1 {2}3 nodes {2}6 partitions {2}replication factor 3\n/);
  assert.is(output.match(/^node \d {2}127\.0\.0\.1:\d+ {2}serving {2}6 replicas {2}2 leaders$/gm)?.length, 3);
  assert.match(output, /^partition 4 {2}leader 2 {2}replicas 1 2 3$/m);
  assert.match(output, /^change under-way {2}add node 9: 3 of 8 steps$/m);
  assert.not.match(output, /change-1 /, "what is finished is not under way");
  const json = JSON.parse((await run(["cluster", "status", "--json"])).output);
  assert.is(json.cluster.partitions.length, 6);
  assert.is(json.nodes.length, 3);
  assert.ok(json.changes.some(({ changeId }: { readonly changeId: string }) => changeId === "under-way"));
  cluster.changes.tell({ changeId: "under-way", finished: true });
});

test("a cluster that is not whole is exit code 1", async () => {
  const broken = new FakeCluster();
  try {
    const address = broken.addresses[0]!;
    broken.elect(3, -1);
    const leaderless = await run(["cluster", "status"], "", { address });
    assert.is(leaderless.code, 1);
    assert.match(leaderless.output, /^partition 3 {2}no leader {2}replicas 1 2 3$/m);
    broken.elect(3, 0);
    await broken.stopNode(2);
    const silent = await run(["cluster", "status"], "", { address });
    assert.is(silent.code, 1);
    assert.match(silent.output, /^node 3 {2}127\.0\.0\.1:\d+ {2}unreachable: /m);
  } finally {
    await broken.close();
  }
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
      ["cluster"],
      ["cluster", "fly"],
      ["cluster", "add-node", "4"],
      ["cluster", "add-node", "0", "a:1"],
      ["cluster", "add-node", "4294967296", "a:1"],
      ["cluster", "remove-node", "x"],
      ["cluster", "move-replica", "-1", "1", "2"],
      ["cluster", "transfer", "0", "1.5"],
      ["cluster", "rebalance", "now"],
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

test("a cluster that is not there is exit code 3, with the address and the reason", async () => {
  const gone = new FakeCluster({ nodes: 1 });
  const address = gone.addresses[0]!;
  await gone.close();
  const { code, error } = await run(["get", "a"], "", { address });
  assert.is(code, 3);
  assert.match(error, address);
  assert.match(error, /refused/i);
});

test("the task starts it with no more permissions than it needs", async () => {
  const tasks = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url))).tasks;
  const [deno, ...args] = (tasks.cli as string).split(" ");
  assert.is(deno, "deno");
  const start = (...own: readonly string[]) =>
    new Deno.Command(Deno.execPath(), {
      args: [...args, ...own],
      cwd: new URL("../..", import.meta.url),
      env: withoutColours(),
      clearEnv: true,
      stdin: "null",
    }).output();
  const address = ["--address", cluster.addresses[0]!, "--address", cluster.addresses[1]!];
  const even = await start(...address, "cluster", "rebalance", "--json");
  assert.is(even.code, 0, new TextDecoder().decode(even.stderr));
  const put = await start(...address, "put", "process", "value");
  assert.is(put.code, 0, new TextDecoder().decode(put.stderr));
  const got = await start(...address, "get", "process");
  assert.is(new TextDecoder().decode(got.stdout), "value\n");
  const help = await start("--help");
  assert.is(help.code, 0, new TextDecoder().decode(help.stderr));
  const missing = await start(...address, "get", "nothing");
  assert.is(missing.code, 1);
  assert.is(new TextDecoder().decode(missing.stderr), "prkdb: no such key: nothing\n");
});

test.run();
