/**
 * A node that cannot start as asked says so in one line on standard error, ends with exit code 2, and has
 * touched nothing: no file in the data directory and none beside it.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { freePort } from "../support/cluster/free_port.ts";
import { ProcessNode } from "../support/cluster/process_node.ts";
import { folderState } from "../support/disk/folder_state.ts";
import { PATIENCE_MS, until } from "../support/patience.ts";

const EXIT_UNUSABLE = 2;

const root = await Deno.makeTempDir({ prefix: "prkdb-refusal-" });
const dataDirectory = `${root}/node`;

const test = suite("refusal to start");
test.after(() => Deno.removeSync(root, { recursive: true }));

/** Flags that are wrong by themselves, and what the line must name. */
const BAD_FLAGS: readonly (readonly [flags: readonly string[], names: RegExp])[] = [
  [[], /--node-id/],
  [["--node-id=0"], /--node-id.*4294967295/],
  [["--node-id=one"], /--node-id/],
  [["--node-id=4294967296"], /--node-id/],
  [["--node-id=1", "--no-such-flag"], /--no-such-flag/],
  [["--node-id=1", "surplus"], /argument/],
  [["--node-id=2", "--cluster-nodes=1@127.0.0.1:25001"], /--cluster-nodes does not name node 2/],
  [["--node-id=1", "--cluster-nodes=1@127.0.0.1"], /ID@HOST:PORT/],
  [["--node-id=1", "--cluster-nodes=1@127.0.0.1:25001,1@127.0.0.1:25002"], /twice/],
  [["--node-id=1", "--cluster-nodes=1@127.0.0.1:25001,2@127.0.0.1:25001"], /twice/],
  [["--node-id=1", "--replication-factor=17"], /--replication-factor.*1 to 15/],
  [["--node-id=1", "--replication-factor=2"], /not odd/],
  [["--node-id=1", "--cluster-nodes=1@127.0.0.1:25001", "--grpc-port=25002"], /is at 127.*25001.*port 25002/],
  [
    ["--node-id=1", "--cluster-nodes=1@127.0.0.9:25001"],
    /is at 127\.0\.0\.9.*address 127\.0\.0\.1.*--advertise/,
  ],
  [["--node-id=1", "--advertise=127.0.0.1"], /--advertise.*host:port/],
  [["--node-id=1", "--advertise-client=127.0.0.1:1"], /--advertise-client.*http/],
  [["--node-id=1", "--num-partitions=0"], /--num-partitions/],
  [["--node-id=1", "--num-partitions=4097"], /--num-partitions/],
  [["--node-id=1", "--host=0.0.0.0"], /--insecure/],
  [["--node-id=1", "--grpc-port=65536"], /--grpc-port/],
  [["--node-id=1", "--grpc-port=6000"], /--grpc-port cannot be port 6000/],
  [["--node-id=4", "--join=http://localhost:50054"], /--join .* is the address of this node itself/],
  [["--node-id=1", "--wal-sync=sometimes"], /--wal-sync/],
  [["--node-id=1", "--wal-segment-bytes=1048577"], /--wal-segment-bytes/],
  [["--node-id=1", "--election-timeout-ms=200", "--heartbeat-ms=100"], /--election-timeout-ms 200/],
  [["--node-id=70000"], /--(grpc|metrics)-port is needed/],
];

test("wrong flags", async () => {
  for (const [flags, names] of BAD_FLAGS) await mustRefuse([...flags, `--data-dir=${dataDirectory}`], names);
});

test("a wrong environment variable", async () => {
  await mustRefuse([`--data-dir=${dataDirectory}`], /PRKDB_NODE_ID|--node-id/, { PRKDB_NODE_ID: "first" });
  await mustRefuse([...soundFlags()], /PRKDB_WAL_SYNC|--wal-sync/, { PRKDB_WAL_SYNC: "sometimes" });
});

test("a port that is taken", async () => {
  for (const flag of ["--grpc-port", "--metrics-port"]) {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    await mustRefuse(
      [...soundFlags(), `${flag}=${port}`],
      new RegExp(`cannot listen: [^ ]*:${port} \\(${flag}\\) is taken`),
    );
  }
});

test("one port for two things", async () => {
  const port = freePort();
  const flags = [...soundFlags(), `--grpc-port=${port}`, `--metrics-port=${port}`];
  await mustRefuse(flags, new RegExp(`--grpc-port and --metrics-port are both ${port}`));
});

test("a data directory that is not one", async () => {
  const other = `${root}/other`;
  await Deno.mkdir(other);
  await Deno.writeTextFile(`${other}/thesis.txt`, "years of work");
  await mustRefuse([...soundFlags(), `--data-dir=${other}`], /thesis\.txt/);
  await mustRefuse([...soundFlags(), `--data-dir=${other}/thesis.txt`], /thesis\.txt/);
  const below = [...soundFlags(), `--data-dir=${other}/thesis.txt/below`];
  await mustRefuse(below, /thesis\.txt.* a part of that path is no directory .*; choose another place/);
  if (Deno.build.os !== "linux") return;
  for (const place of ["/proc/prkdb", "/proc/self/prkdb", "/sys/prkdb"]) {
    const names = new RegExp(`Cannot use data directory "${place}": .*; choose a place on a disk\n`);
    await mustRefuse([...soundFlags(), `--data-dir=${place}`], names);
  }
});

test("an address that the machine does not have", async () => {
  const unknown = [...soundFlags(), "--host=node.invalid", "--insecure", "--log-level=error"];
  await mustRefuse(unknown, /the name node\.invalid is not known here; name an address/);
  const foreign = [...soundFlags(), "--host=192.0.2.1", "--insecure", "--log-level=error"];
  await mustRefuse(foreign, /this machine has no address 192\.0\.2\.1; name one of its own with --host/);
});

test("with --log-format json the refusal is a line of JSON like those of the log", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const json = "--log-format=json";
  const cases: readonly (readonly [args: readonly string[], node: number | undefined, names: RegExp])[] = [
    [[json], undefined, /--node-id/],
    [[json, "--node-id=one"], undefined, /--node-id/],
    [["--log-format", "json", "--node-id", "7", "--no-such-flag"], 7, /--no-such-flag/],
    [[...soundFlags(), json, `--grpc-port=${port}`], 1, /is taken/],
    [[...soundFlags(), json, "--data-dir=/dev/null"], 1, /Cannot use data directory "\/dev\/null"/],
  ];
  for (const [args, node, names] of cases) await mustRefuseInJson({ args, node, names });
  const env = { PRKDB_LOG_FORMAT: "json", PRKDB_NODE_ID: "3" };
  await mustRefuseInJson({ args: ["--no-such-flag"], env, node: 3, names: /--no-such-flag/ });
});

test("a data directory that is in use, or belongs to another node, cluster or shape", async () => {
  const directory = `${root}/used`;
  const flags = soundFlags(directory);
  const running = ProcessNode.start({ args: flags });
  try {
    await started(running);
    await mustRefuse(soundFlags(directory), /in use by another process/, {}, { untouched: false });
  } finally {
    running.signal("SIGTERM");
    assert.is((await running.ended).code, 0, running.standardError);
  }
  const members = (ids: readonly number[]) =>
    `--cluster-nodes=${ids.map((id) => `${id}@127.0.0.1:${25_000 + id}`).join(",")}`;
  const other = (id: number) => [...soundFlags(directory).slice(1), `--node-id=${id}`];
  await mustRefuse(other(2), /belongs to node 1, not to node 2/);
  const place = "--advertise=127.0.0.1:25001";
  await mustRefuse([...other(1), place, members([1, 2, 3])], /cluster of the nodes 1, not 1, 2, 3/);
  await mustRefuse([...other(1), "--num-partitions=7"], /9 partitions, not 7/);
  const again = ProcessNode.start({ args: soundFlags(directory) });
  try {
    await started(again);
  } finally {
    again.signal("SIGTERM");
    assert.is((await again.ended).code, 0, again.standardError);
  }
});

test("a directory's number of partitions counts, unless another one is asked for", async () => {
  const directory = `${root}/five`;
  for (
    const [flags, partitions] of [[["--num-partitions=5"], 5], [[], 5], [["--num-partitions=5"], 5]] as const
  ) {
    const node = ProcessNode.start({ args: [...soundFlags(directory), ...flags] });
    await started(node);
    assert.match(node.standardOutput, new RegExp(`, ${partitions} partitions,`));
    node.signal("SIGTERM");
    assert.is((await node.ended).code, 0, node.standardError);
  }
  await mustRefuse([...soundFlags(directory), "--num-partitions=9"], /5 partitions, not 9/);
});

test("a data directory whose identity is damaged", async () => {
  const directory = `${root}/damaged`;
  await Deno.mkdir(directory);
  for (const text of ["", "{", "[]", "null", "7", '{"format":1}', '{"format":99,"nodeId":1}']) {
    await Deno.writeTextFile(`${directory}/identity.json`, text);
    await Deno.writeTextFile(`${directory}/LOCK`, "");
    await mustRefuse(soundFlags(directory), /Cannot read .*identity\.json/);
  }
});

/** Flags with which a node would start. */
function soundFlags(directory = dataDirectory): readonly string[] {
  return [
    "--node-id=1",
    `--grpc-port=${freePort()}`,
    `--metrics-port=${freePort()}`,
    `--data-dir=${directory}`,
  ];
}

/** Starts a node with `args` and asserts everything the module comment says. */
async function mustRefuse(
  args: readonly string[],
  names: RegExp,
  env: Readonly<Record<string, string>> = {},
  { untouched = true }: { readonly untouched?: boolean } = {},
): Promise<void> {
  const before = await folderState(root);
  const node = ProcessNode.start({ args, env, directory: root });
  const timer = setTimeout(() => node.signal("SIGKILL"), PATIENCE_MS);
  const { code } = await node.ended;
  clearTimeout(timer);
  const told = `${args.join(" ")}: ${node.standardError}`;
  assert.is(code, EXIT_UNUSABLE, told);
  assert.match(node.standardError, /^prkdb: [^\n]+\n$/, told);
  assert.match(node.standardError, names, told);
  assert.is(node.standardOutput, "", told);
  if (untouched) assert.equal(await folderState(root), before, told);
}

/** A refusal in JSON; `node` is the id that the line names. */
interface JsonRefusal {
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly node: number | undefined;
  readonly names: RegExp;
}

async function mustRefuseInJson({ args, env = {}, node, names }: JsonRefusal): Promise<void> {
  const process = ProcessNode.start({ args, env, directory: root });
  assert.is((await process.ended).code, EXIT_UNUSABLE, process.standardError);
  const told = `${args.join(" ")}: ${process.standardError}`;
  assert.match(process.standardError, /^\{[^\n]+\}\n$/, told);
  const line = JSON.parse(process.standardError);
  assert.equal([line.level, line.logger, line.node], ["FATAL", "prkdb.server", node], told);
  assert.match(line.message, names, told);
  assert.ok(Date.parse(line["@timestamp"]) > 0, told);
}

async function started(node: ProcessNode): Promise<void> {
  await until(() => node.hasStarted || !node.isRunning, "a node starts");
  assert.ok(node.isRunning, node.standardError);
}

test.run();
