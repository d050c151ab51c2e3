/**
 * The `prkdb` command against a fake cluster: output, exit codes, and once as the process that users start.
 *
 * @module
 */

import { Code } from "@connectrpc/connect";
import { REPLICAS_MAX, TIMEOUT_MS_MAX } from "../../proto/mod.ts";
import { assert, suite } from "../harness.ts";
import { withoutColours } from "../support/environment.ts";
import { commandRunner } from "./command_runner.ts";
import { FakeCluster } from "./fake_cluster.ts";

const test = suite("prkdb command");
const cluster = new FakeCluster();
const run = commandRunner(cluster);
test.after(() => cluster.close());

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
  assert.is((await run(["get-many", "j"])).output, "j\tx\n");
});

test("a key that is missing is said in every form, and no form mixes with another", async () => {
  await run(["put", "there", "x"]);
  const error = "prkdb: no such key: m1\nprkdb: no such key: m2\n";
  assert.equal(await run(["get-many", "m1", "there", "m2"]), { code: 1, output: "there\tx\n", error });
  const json = await run(["get-many", "m1", "there", "--json"]);
  assert.equal([json.code, json.error], [1, "prkdb: no such key: m1\n"]);
  const one = await run(["get", "m1", "--json"]);
  assert.equal(one, {
    code: 1,
    output: '{"key":"m1","value":null}\n',
    error: "prkdb: no such key: m1\n",
  });
  assert.equal(await run(["get-many", "there"]), { code: 0, output: "there\tx\n", error: "" });
  for (const args of [["--json", "get", "there", "--raw"], ["get", "there", "--raw", "--json"]]) {
    const { code, output, error } = await run(args);
    assert.equal([code, output], [2, ""]);
    assert.match(error, /^prkdb: Cannot print a value both with --raw and with --json: leave one .*\n$/);
  }
  const removed = JSON.parse((await run(["delete", "there", "--json"])).output);
  const again = await run(["delete", "there", "--json"]);
  assert.equal([removed.existed, JSON.parse(again.output).existed, again.code], [true, false, 0]);
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

test("addresses of two clusters are wrong use", async () => {
  const other = new FakeCluster({ nodes: 1 });
  other.clusterId = "other";
  try {
    const both = ["-a", `${other.addresses[0]},${cluster.addresses[0]}`];
    const { code, output, error } = await run([...both, "put", "which", "x"]);
    assert.equal([code, output], [2, ""]);
    assert.match(error, /^prkdb: Cannot connect to 2 clusters at once: [^\n]+ \(--address\)\n$/);
    assert.equal([other.applied, cluster.applied.filter((key) => key === "which")], [[], []]);
  } finally {
    await other.close();
  }
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

test("numbers are counted, up and down, and by more than JavaScript counts exactly", async () => {
  assert.equal(await run(["increment", "n"]), { code: 0, output: "1\n", error: "" });
  assert.is((await run(["increment", "n", "41"])).output, "42\n");
  assert.is((await run(["increment", "n", "-43"])).output, "-1\n");
  assert.is(
    (await run(["--json", "increment", "n", "9007199254740993"])).output, // 2^53 + 1
    '{"key":"n","value":"9007199254740992"}\n',
  );
  assert.is((await run(["get", "n"])).output, "9007199254740992\n");
  assert.is((await run(["increment", "none", "--if-exists"])).code, 1);
  assert.is((await run(["increment", "n", "-1", "--if-exists"])).code, 0);
  await run(["put", "n", "x", "--if-exists"]);
  const refused = await run(["increment", "n"]);
  assert.is(refused.code, 1);
  assert.match(refused.error, /number.*\(failed_precondition\)/);
  assert.is((await run(["delete", "none", "--if-exists"])).code, 1);
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
    ["cluster", "set-replication-factor", "5"],
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
    "setReplicationFactor 5",
  ]);
  const { output } = await run(["cluster", "rebalance", "--json"]);
  assert.equal(JSON.parse(output), { changeId: `change-${taken.length}` });
});

test("fewer replicas are asked for only when somebody says so", async () => {
  const { taken } = cluster.changes;
  const before = taken.length;
  const lower = ["cluster", "set-replication-factor", "1"];
  const refused = await run(lower);
  assert.is(refused.code, 2);
  assert.match(refused.error, /^prkdb: Cannot lower the replication factor from 3 to 1 .*: add --yes/);
  for (const answer of ["", "n", "no", "yess"]) {
    const declined = await run(lower, "", { answer });
    assert.equal([declined.code, declined.error], [1, "prkdb: nothing was changed\n"], answer);
  }
  assert.is(taken.length, before);
  for (const answer of ["y", "YES"]) assert.is((await run(lower, "", { answer })).code, 0);
  assert.is((await run([...lower, "--yes"])).code, 0);
  assert.is((await run(["cluster", "set-replication-factor", "3"])).code, 0, "as many as there are");
  assert.equal(taken.slice(before).map(({ what }) => what), [
    ...Array(3).fill("setReplicationFactor 1"),
    "setReplicationFactor 3",
  ]);
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

test("health says whether calls can succeed, and in words what is wrong", async () => {
  const watched = new FakeCluster();
  try {
    const address = watched.addresses.slice(0, 2).join(",");
    assert.equal(await run(["health"], "", { address }), { code: 0, output: "ready\n", error: "" });
    for (const partition of [2, 5]) watched.elect(partition, 0);
    await watched.stopNode(2);
    const less = await run(["health"], "", { address });
    assert.is(less.code, 0);
    assert.match(less.output, /^ready, but\n {2}the node at http:\S+ does not answer: [^\n]+\n$/);
    watched.elect(4, -1);
    const leaderless = await run(["health"], "", { address });
    assert.is(leaderless.code, 1);
    assert.match(leaderless.output, /^not ready\n {2}partition 4 has no leader\n/);
    const { ready, findings } = JSON.parse((await run(["health", "--json"], "", { address })).output);
    assert.equal([ready, findings[0]], [false, "partition 4 has no leader"]);
    assert.match((await run(["cluster", "status"], "", { address })).output, /^wrong: partition 4 has no/m);
    await watched.stopNode(0);
    await watched.stopNode(1);
    assert.is((await run(["health"], "", { address })).code, 3);
  } finally {
    await watched.close();
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
      ["put", "a", "b", "--if-absent", "--if-exists"],
      ["increment"],
      ["increment", "a", "x"],
      ["increment", "a", "1.5"],
      ["increment", "a", "9223372036854775808"],
      ["increment", "a", "1", "2"],
      ["cluster"],
      ["cluster", "fly"],
      ["cluster", "add-node", "4"],
      ["cluster", "add-node", "0", "a:1"],
      ["cluster", "add-node", "4294967296", "a:1"],
      ["cluster", "remove-node", "x"],
      ["cluster", "move-replica", "-1", "1", "2"],
      ["cluster", "transfer", "0", "1.5"],
      ["cluster", "rebalance", "now"],
      ["cluster", "set-replication-factor"],
      ["cluster", "set-replication-factor", "4"],
      ["cluster", "set-replication-factor", "17"],
    ]
  ) {
    const { code, error } = await run(args);
    assert.is(code, 2, args.join(" "));
    assert.ok(error.length > 0, args.join(" "));
  }
});

test("addresses that would be taken for something else are refused, and no password is repeated", async () => {
  for (
    const [address, why] of [
      ["127.0.0.1", /"127\.0\.0\.1" .*: the port is missing: it must be host:port/],
      ["localhost,127.0.0.1:1", /"localhost" .*: the port is missing/],
      ["[::1]", /the port is missing/],
      ["http://u:secret@127.0.0.1:50051", /127\.0\.0\.1:50051 with a user or password: nodes take none/],
      ["u:secret@127.0.0.1:50051", /with a user or password/],
      ["http://127.0.0.1:1/?a=b", /it must be host:port/],
    ] as const
  ) {
    const { code, output, error } = await run(["--address", address, "get", "a"]);
    assert.equal([code, output], [2, ""], address);
    assert.match(error, why);
    assert.not.match(error, /secret/);
  }
});

test("a number out of range is refused with the range that holds", async () => {
  assert.is(TIMEOUT_MS_MAX, 300_000);
  for (const limit of ["abc", "0", "300001", "-1", "1.5"]) {
    const { code, error } = await run([`--timeout-ms=${limit}`, "get", "a"]);
    assert.is(code, 2);
    assert.match(error, /--timeout-ms.* is invalid\. It must be a whole number from 1 to 300000\.\n$/);
  }
});

test("a factor that no cluster can have is refused with what can be", async () => {
  assert.is(REPLICAS_MAX, 15);
  const refusalOf = async (factor: string) =>
    (await run(["cluster", "set-replication-factor", factor])).error;
  assert.match(await refusalOf("17"), /FACTOR: it must be a whole number from 1 to 15, it is "17"/);
  assert.match(await refusalOf("4"), /FACTOR: it must be odd, it is "4"; use 3 or 5/);
});

test("the help of a command shows the options of all commands too", async () => {
  for (const command of [["put"], ["get"], ["delete"], ["cluster", "transfer"]]) {
    const { code, output } = await run([...command, "--help"]);
    assert.is(code, 0);
    assert.match(output, /^Global Options:\n/m);
    for (const option of ["--address", "--timeout-ms", "--json", "--hex"]) assert.match(output, option);
  }
  for (const [command, otherwise] of [["put", "never expires"], ["increment", "stays as it is"]] as const) {
    const help = (await run([command, "--help"])).output.replaceAll(/\s+/g, " ");
    assert.match(
      help,
      /--ttl <time> let the key expire after so long, as 500ms, 10s, 5m, 2h or 1d; without it/,
    );
    assert.match(help, otherwise);
    assert.match(help, /--ttl-ms <ms> the same in milliseconds, without a unit/);
  }
});

test("help is no error", async () => {
  const { code, output } = await run(["--help"]);
  assert.is(code, 0);
  assert.match(output, /get-many/);
  for (const exitCode of [0, 1, 2, 3]) assert.match(output, new RegExp(`^ {2}${exitCode} {2}\\w`, "m"));
});

test("a cluster that answers and is not founded yet is not ready, and its address is not doubted", async () => {
  const young = new FakeCluster();
  young.clusterId = "";
  try {
    const address = young.addresses[0]!;
    const health = await run(["--timeout-ms", "300", "health"], "", { address });
    assert.is(health.code, 1);
    assert.match(health.output, /^not ready\n {2}The cluster is not founded yet: that takes a majority/);
    assert.match(health.output, `${address}: its cluster is not founded yet`);
    const json = await run(["--timeout-ms", "300", "health", "--json"], "", { address });
    assert.equal([json.code, JSON.parse(json.output).ready], [1, false]);
    const put = await run(["--timeout-ms", "300", "put", "a", "b"], "", { address });
    assert.equal([put.code, put.output], [3, ""], "it may succeed later");
    assert.not.match(put.error, /check its addresses/);
  } finally {
    await young.close();
  }
});

test("a partition that has no leader in time is named, with the command that says why", async () => {
  const leaderless = new FakeCluster({ partitions: 1 });
  try {
    leaderless.fault = () => ({ kind: "notLeader", leader: undefined });
    const args = ["--timeout-ms", "500", "put", "a", "b"];
    const { code, error } = await run(args, "", { address: leaderless.addresses[0]! });
    assert.is(code, 3);
    assert.match(error, /no leader of partition 0 .*\(deadline_exceeded\)\. See prkdb health\n$/);
  } finally {
    await leaderless.close();
  }
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
