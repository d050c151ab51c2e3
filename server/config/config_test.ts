/**
 * Flags and what they mean together: every wrong one is refused by name.
 *
 * @module
 */

import { isBlockedPort } from "../../proto/mod.ts";
import { assert, suite } from "../../tests/harness.ts";
import { VERSION } from "../api/version.ts";
import { parseConfig } from "./config.ts";
import { ConfigError, ConfigNotice } from "./flags.ts";

const test = suite("config");
const MEBIBYTE = 1024 * 1024;
const THREE = "1@127.0.0.1:7001,2@db-2.example:7002,3@[::1]:7003";

/** The message of the refusal that `args` meet. */
function refusal(...args: string[]): string {
  try {
    parseConfig(args);
  } catch (error) {
    assert.instance(error, ConfigError, String(error));
    return (error as Error).message;
  }
  throw new Error(`${args.join(" ")} was accepted`);
}

test("one flag is enough for a node of its own", () => {
  const config = parseConfig(["--node-id", "4"]);
  assert.is(config.port, 50_054);
  assert.is(config.metricsPort, 9_094);
  assert.is(config.dataDirectory, "./data/node-4");
  assert.equal([...config.shape.nodes], [[4, "127.0.0.1:50054"]]);
  assert.is(config.shape.partitionCount, 9);
  assert.is(config.shape.replicationFactor, 3);
  assert.equal(config.walSync, { kind: "always" });
  assert.equal(config.warnings, []);
});

test("the replication factor may be more than there are nodes, and is passed over by a node that joins", () => {
  for (const factor of [1, 3, 5, 15]) {
    const { shape, asked } = parseConfig(["--node-id=1", `--replication-factor=${factor}`]);
    assert.equal([shape.replicationFactor, asked.replicationFactor], [factor, true]);
  }
  const joining = parseConfig(["--node-id=4", "--join=http://a:7001", "--replication-factor=5"]);
  assert.is(joining.join, "http://a:7001");
});

test("a port that browsers and fetch block is refused in every flag that names one", () => {
  const named: readonly (readonly [flag: string, rest: readonly string[]])[] = [
    ["--grpc-port", ["--grpc-port=6000"]],
    ["--metrics-port", ["--metrics-port=10080"]],
    ["--cluster-nodes", ["--cluster-nodes=1@127.0.0.1:7001,2@127.0.0.1:6000", "--port=7001"]],
    ["--advertise", ["--advertise=host:6667"]],
    ["--advertise-client", ["--advertise-client=https://host:6697"]],
    ["--join", ["--join=http://127.0.0.1:6000"]],
  ];
  for (const [flag, args] of named) {
    const text = refusal("--node-id=1", ...args);
    assert.ok(text.startsWith(`${flag} cannot be port`), text);
    assert.match(text, /refuse to connect to it; choose another port/);
  }
  assert.match(refusal("--node-id=990"), /--metrics-port cannot be port 10080/);
  assert.is(parseConfig(["--node-id=1", "--grpc-port=0", "--advertise-client=https://host"]).port, 0);
});

test("fetch blocks the ports that are refused, and no others", async () => {
  for (const port of [1, 22, 6000, 6697, 10_080]) {
    assert.ok(isBlockedPort(port), `${port}`);
    const error = await fetch(`http://127.0.0.1:${port}/`).catch((error) => error);
    assert.match(String(error), /blocked/);
  }
  for (const port of [0, 80, 443, 6001, 9091, 50_051]) assert.not(isBlockedPort(port), `${port}`);
});

test("a number of partitions that the cluster decides is warned about", () => {
  const joining = ["--node-id=4", "--join=http://127.0.0.1:50051"];
  assert.equal(parseConfig(joining).warnings, []);
  assert.match(
    parseConfig([...joining, "--num-partitions=3"]).warnings.join(),
    /^--num-partitions has no effect with --join: /,
  );
});

test("a node does not join itself", () => {
  const itself = [
    ["--join=http://127.0.0.1:50054"],
    ["--join=http://localhost:50054"],
    ["--join=http://127.0.0.1:50054", "--host=0.0.0.0", "--insecure", "--advertise=db-4:7000"],
    ["--join=http://db-4:7000", "--advertise=db-4:7000"],
    ["--join=http://10.0.0.4:50054", "--host=10.0.0.4", "--insecure"],
  ];
  for (const args of itself) {
    assert.match(refusal("--node-id=4", ...args), /is the address of this node itself: name another node/);
  }
  const other = ["--node-id=4", "--host=10.0.0.4", "--insecure", "--join=http://10.0.0.1:50054"];
  assert.is(parseConfig(other).join, "http://10.0.0.1:50054", "the same port of another machine");
});

test("members are sorted, and the node listens where it says it is", () => {
  const config = parseConfig(["--node-id", "2", "--cluster-nodes", THREE]);
  assert.equal([...config.shape.nodes.keys()], [1, 2, 3]);
  assert.is(config.shape.nodes.get(3), "[::1]:7003");
  assert.is(config.port, 7002);
  assert.is(config.shape.replicationFactor, 3);
  const two = ["--node-id=2", `--cluster-nodes=${THREE}`];
  assert.is(parseConfig([...two, "--port=7002"]).port, 7002);
  const mapped = parseConfig([...two, "--port=8000", "--advertise=db-2.example:7002"]);
  assert.equal([mapped.port, mapped.address], [8000, "db-2.example:7002"]);
});

test("a node is where it listens, unless it says where it is reached", () => {
  const [one, three] = [["--node-id=1", `--cluster-nodes=${THREE}`], ["--node-id=3"]];
  assert.match(
    refusal(...one, "--port=8000"),
    /is at 127\.0\.0\.1:7001, but it listens on port 8000.*--advertise/,
  );
  assert.match(refusal(...one, "--host=127.0.0.2"), /but it listens on address 127\.0\.0\.2/);
  assert.is(parseConfig([...one, "--host=localhost"]).address, "127.0.0.1:7001");
  assert.is(parseConfig([...one, "--host=0.0.0.0", "--insecure"]).address, "127.0.0.1:7001");
  assert.match(
    refusal(...three, `--cluster-nodes=${THREE}`),
    /is at \[::1\]:7003, but it listens on address 127/,
  );
  const told = parseConfig([...one, "--port=8000", "--advertise=a:7001", "--advertise-client=https://b:2/"]);
  assert.equal([told.address, told.clientUrl], ["a:7001", "https://b:2"]);
  assert.equal([...told.shape.nodes.values()][0], "127.0.0.1:7001", "the founders' list stays as it is");
  assert.is(parseConfig(["--node-id=1"]).clientUrl, "");
  const joining = ["--node-id=4", "--join=http://a:7001", "--advertise=me:7001"];
  assert.is(parseConfig([...joining, "--host=0.0.0.0", "--insecure", "--port=0"]).address, "me:7001");
  for (const wrong of ["a", "a:0", "a:65536", "http://a:1", "::1:80", "a:1/b"]) {
    assert.match(refusal("--node-id=1", `--advertise=${wrong}`), /host:port/, wrong);
  }
  for (const wrong of ["a:1", "ftp://a:1", "http://a:1/b", "http://a:1?b"]) {
    assert.match(refusal("--node-id=1", `--advertise-client=${wrong}`), /http:\/\/host:port/, wrong);
  }
});

test("what operators see can be chosen, and nothing else than there is", () => {
  const usual = parseConfig(["--node-id=1"]);
  assert.equal([usual.logLevel, usual.logFormat, usual.metricsPartitions], ["info", "text", undefined]);
  const chosen = parseConfig([
    ...["--node-id=1", "--log-level=debug", "--log-format", "json", "--metrics-partitions=aggregate"],
  ]);
  assert.equal([chosen.logLevel, chosen.logFormat, chosen.metricsPartitions], ["debug", "json", "aggregate"]);
  assert.match(refusal("--node-id=1", "--log-level=loud"), /--log-level.*debug, info, warning, error/);
  assert.match(refusal("--node-id=1", "--log-format=xml"), /--log-format.*text, json/);
  assert.match(refusal("--node-id=1", "--metrics-partitions=some"), /--metrics-partitions.*each, aggregate/);
});

test("memtables and cache leave room for the rest of the state", () => {
  const alone = ["--node-id=1", `--memory-bytes=${64 * MEBIBYTE}`];
  const { budget, memory } = parseConfig([...alone, `--memtable-bytes=${2 * MEBIBYTE}`]);
  assert.equal(budget, { memtableBytes: 2 * MEBIBYTE, cacheBytes: undefined });
  assert.is(memory.state, 10 * MEBIBYTE);
  parseConfig([...alone, `--memtable-bytes=${2 * MEBIBYTE}`, `--cache-bytes=${3 * MEBIBYTE}`]);
  for (
    const asked of [
      ["--memtable-bytes=4194304"],
      ["--cache-bytes=6291456"],
      ["--memtable-bytes=2097152", "--cache-bytes=4194304"],
    ]
  ) assert.match(refusal(...alone, ...asked), /do not fit into 7864320 bytes/);
});

test("leases are an option, and a variable that says no leaves it off", () => {
  assert.is(parseConfig(["--node-id=1"]).leaseReads, false);
  assert.is(parseConfig(["--node-id=1", "--read-lease"]).leaseReads, true);
  const answers: readonly (readonly [string, boolean])[] = [["1", true], ["true", true], ["0", false], [
    "false",
    false,
  ]];
  try {
    for (const [text, expected] of answers) {
      Deno.env.set("PRKDB_READ_LEASE", text);
      assert.is(parseConfig(["--node-id=1"]).leaseReads, expected);
    }
  } finally {
    Deno.env.delete("PRKDB_READ_LEASE");
  }
});

test("environment variables stand in for flags, and flags win", () => {
  Deno.env.set("PRKDB_NODE_ID", "7");
  Deno.env.set("PRKDB_NUM_PARTITIONS", "3");
  try {
    assert.is(parseConfig([]).nodeId, 7);
    assert.is(parseConfig([]).shape.partitionCount, 3);
    assert.is(parseConfig(["--num-partitions", "5"]).shape.partitionCount, 5);
    Deno.env.set("PRKDB_NUM_PARTITIONS", "many");
    assert.match(refusal(), /whole number/);
  } finally {
    Deno.env.delete("PRKDB_NODE_ID");
    Deno.env.delete("PRKDB_NUM_PARTITIONS");
  }
});

test("sync policies, with a warning for those that may lose writes", () => {
  assert.equal(parseConfig(["--node-id=1", "--wal-sync=always"]).warnings, []);
  const interval = parseConfig(["--node-id=1", "--wal-sync=50"]);
  assert.equal(interval.walSync, { kind: "interval", ms: 50 });
  assert.match(interval.warnings[0]!, /50 ms/);
  assert.match(parseConfig(["--node-id=1", "--wal-sync=never"]).warnings[0]!, /lose/);
});

test("wrong flags are refused in one line that names them", () => {
  assert.match(refusal(), /--node-id/);
  assert.match(refusal("--node-id", "0"), /--node-id.*1 to 4294967295/);
  assert.match(refusal("--node-id", "4294967296"), /--node-id/);
  assert.match(refusal("--node-id", "1x"), /--node-id/);
  assert.match(refusal("--node-id", "1", "--grpc-port", "65536"), /--grpc-port/);
  assert.match(refusal("--node-id", "60000"), /--grpc-port/);
  assert.match(refusal("--node-id", "4", "--cluster-nodes", THREE), /does not name node 4/);
  assert.match(refusal("--node-id", "1", "--cluster-nodes", "1@a:1,1@b:2"), /twice/);
  assert.match(refusal("--node-id", "1", "--cluster-nodes", "1@a:1,2@a:1"), /twice/);
  assert.match(refusal("--node-id", "1", "--cluster-nodes", "1:a"), /ID@HOST:PORT/);
  assert.match(refusal("--node-id", "1", "--cluster-nodes", THREE, "--replication-factor", "2"), /odd/);
  assert.match(refusal("--node-id", "1", "--replication-factor", "17"), /--replication-factor.*1 to 15/);
  assert.match(refusal("--node-id", "1", "--num-partitions", "0"), /--num-partitions/);
  assert.match(refusal("--node-id", "1", "--num-partitions", "4097"), /4096/);
  assert.match(refusal("--node-id", "1", "--wal-sync", "sometimes"), /always/);
  assert.match(refusal("--node-id", "1", "--wal-segment-bytes", "1048577"), /multiple of 4096/);
  assert.match(
    refusal("--node-id", "1", "--election-timeout-ms", "200", "--heartbeat-ms", "100"),
    /--heartbeat-ms/,
  );
  assert.match(refusal("--node-id", "1", "--host", "0.0.0.0"), /--insecure/);
  assert.match(refusal("--node-id", "1", "--join", "a:1"), /--join.*http:\/\/host:port/);
  const joining = ["--node-id", "1", "--join", "http://a:1"];
  assert.match(refusal(...joining, "--cluster-nodes", "1@a:1"), /--join and --cluster-nodes/);
  assert.match(refusal(...joining, "--host", "0.0.0.0", "--insecure"), /--join needs a --host/);
  assert.match(refusal(...joining, "--port", "0"), /--join needs a --grpc-port/);
  assert.match(refusal("--node-id", "1", "--no-such-flag"), /no-such-flag/);
  assert.match(refusal("--node-id", "1", "surplus"), /argument/);
  for (const args of [[], ["--node-id", "x"], ["--node-id", "1", "--bad"]]) {
    assert.not.match(refusal(...args), /\n/);
  }
});

test("a node may listen beyond loopback when told that it is insecure", () => {
  assert.match(parseConfig(["--node-id=1", "--host=0.0.0.0", "--insecure"]).warnings[0]!, /insecure/);
  assert.is(parseConfig(["--node-id=1", "--host=::1"]).shape.nodes.get(1), "[::1]:50051");
});

test("stops of calls are recorded only when asked for", () => {
  assert.is(parseConfig(["--node-id=1"]).recordStops, undefined);
  assert.is(parseConfig(["--node-id=1", "--record-stops=500"]).recordStops, 500);
  assert.match(refusal("--node-id", "1", "--record-stops", "0"), /--record-stops/);
});

test("help names every flag, its default and its variable", () => {
  try {
    parseConfig(["--help"]);
    throw new Error("help did not end the start");
  } catch (error) {
    assert.instance(error, ConfigNotice);
    const { message } = error as ConfigNotice;
    for (const name of ["--node-id", "--cluster-nodes", "--wal-sync", "PRKDB_DATA_DIR", "67108864"]) {
      assert.ok(message.includes(name), name);
    }
    for (const [, flag] of message.matchAll(/^ {2}--([a-z-]+)/gm)) {
      const variable = `PRKDB_${flag!.replaceAll("-", "_").toUpperCase()}`;
      assert.ok(message.includes(variable), `${variable} is not named`);
    }
  }
});

test("the version is that of deno.json", async () => {
  const { version } = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  assert.is(VERSION, version);
});

test.run();
