/**
 * Backups of a real node: made, added to, cut short, damaged, and restored.
 *
 * @module
 */

import { create } from "@bufbuild/protobuf";
import { ReadPartitionRequestSchema } from "../../proto/mod.ts";
import { assert, suite } from "../../tests/harness.ts";
import {
  NodeCluster,
  put,
  READ,
  text,
  TINY_SIZES,
  utf8,
  WRITE,
} from "../../tests/support/cluster/node_cluster.ts";
import { folderState } from "../../tests/support/disk/folder_state.ts";
import { crc32c as crcOf } from "../../wal-wasm/mod.ts";
import { readPartitionStream } from "../rpc/backup/read_partition.ts";
import {
  type BackedUpRow,
  type BackupSource,
  makeBackup,
  restoreBackup,
  restoreData,
  type RestoreTarget,
  type SourcePart,
  verifyBackups,
} from "./mod.ts";

const test = suite("backup");
const folder = Deno.makeTempDirSync({ prefix: "prkdb-backup-" });
test.after(() => Deno.removeSync(folder, { recursive: true }));
const PARTITIONS = 2;
const KEYS = 300;
let directories = 0;

const newDirectory = () => `${folder}/${++directories}`;

/** A node as a source, as the client makes one of a cluster. */
class NodeSource implements BackupSource {
  readonly cluster: NodeCluster;
  clusterId: string;
  /** Changes what is sent, or throws instead of sending it. */
  disturb: (part: SourcePart) => SourcePart = (part) => part;

  constructor(cluster: NodeCluster) {
    this.cluster = cluster;
    this.clusterId = cluster.node(1).clusterId;
  }

  shape() {
    return Promise.resolve({ clusterId: this.clusterId, partitionCount: PARTITIONS });
  }

  async *readPartition(partitionId: number, held: readonly Uint8Array[]): AsyncGenerator<SourcePart> {
    const question = create(ReadPartitionRequestSchema, { partitionId, held: [...held] });
    const parts = readPartitionStream.answer(this.cluster.node(1))(question, new AbortController().signal);
    for await (const part of parts) yield this.disturb(this.#sourcePart(part as never));
  }

  // deno-lint-ignore no-explicit-any -- Of a message that is being made, every field may be absent.
  #sourcePart({ case: kind, value }: any): SourcePart {
    if (kind === "description") return { kind, bytes: value };
    if (kind === "filePart") return { kind, ...value, offset: Number(value.offset) };
    if (kind === "end") return { kind };
    const files = value.files.map((file: { bytes: bigint }) => ({ ...file, bytes: Number(file.bytes) }));
    const numbers = { index: Number(value.index), term: Number(value.term) };
    return { kind, ...value, ...numbers, files, clusterId: this.clusterId };
  }
}

/** What was written to it, in place of a cluster. */
class MemoryTarget implements RestoreTarget {
  readonly rows = new Map<string, BackedUpRow>();
  readonly #source: BackupSource;

  /** @param source tells whether it is empty */
  constructor(source: BackupSource) {
    this.#source = source;
  }

  shape() {
    return this.#source.shape();
  }

  readPartition(partitionId: number, held: readonly Uint8Array[]) {
    return this.#source.readPartition(partitionId, held);
  }

  write(rows: readonly BackedUpRow[]): Promise<void> {
    for (const row of rows) this.rows.set(new TextDecoder().decode(row.key), row);
    return Promise.resolve();
  }

  get values(): ReadonlyMap<string, string> {
    return new Map([...this.rows].map(([key, { value }]) => [key, new TextDecoder().decode(value)]));
  }
}

async function withSource(body: (source: NodeSource) => Promise<void>): Promise<void> {
  const cluster = new NodeCluster(1, { sizes: TINY_SIZES, partitionCount: PARTITIONS });
  try {
    await cluster.start();
    await cluster.ready();
    await body(new NodeSource(cluster));
  } finally {
    await cluster.close();
  }
}

interface WrittenRound {
  readonly round: number;
  readonly from?: number;
  readonly to?: number;
}

/** Writes keys, and what they hold then into `expected`. */
async function write(
  { cluster }: NodeSource,
  { round, from = 0, to = KEYS }: WrittenRound,
  expected = new Map<string, string>(),
): Promise<Map<string, string>> {
  const mutations = [];
  for (let at = from; at < to; at++) {
    const [key, value] = [`key ${at}`, `${round}`.padEnd(50, "x")];
    expected.set(key, value);
    mutations.push(put(key, value));
  }
  const results = await cluster.node(1).write(mutations, WRITE);
  assert.ok(results.every(({ ok }) => ok));
  return expected;
}

async function messageOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "none";
  } catch (error) {
    return (error as Error).message;
  }
}

async function restored(directory: string, source: NodeSource): Promise<ReadonlyMap<string, string>> {
  const target = new MemoryTarget(source);
  await restoreBackup({ directory, target, force: true });
  return target.values;
}

const sorted = (values: ReadonlyMap<string, string>) => [...values].sort();

test("what was written is restored, and the second backup copies only what is new", async () => {
  await withSource(async (source) => {
    const directory = newDirectory();
    const expected = await write(source, { round: 1 });
    const first = await makeBackup({ directory, source, wallMs: () => 1_000 });
    assert.is(first.copiedFiles, first.files);
    assert.ok(first.files > 0);
    const unchanged = await makeBackup({ directory, source, wallMs: () => 1_000 });
    assert.ok(unchanged.path > first.path, "a clock that stands still does not hide it");
    assert.ok(unchanged.copiedFiles <= PARTITIONS, "of a flush of the time, at most");
    assert.equal(sorted(await restored(directory, source)), sorted(expected));
    await write(source, { round: 2, to: 5 }, expected);
    const second = await makeBackup({ directory, source });
    assert.ok(second.copiedFiles < second.files, `${second.copiedFiles} of ${second.files}`);
    assert.equal(sorted(await restored(directory, source)), sorted(expected));
    const verified = await verifyBackups({ directory, all: true });
    assert.equal(verified.problems, []);
    assert.is(verified.manifests.length, 3);
  });
});

test("times to live go on, what has expired and sessions are left out", async () => {
  await withSource(async (source) => {
    const directory = newDirectory();
    const node = source.cluster.node(1);
    const base = { kind: "put", value: utf8("v"), precondition: undefined } as const;
    const requestId = { clientId: "0000000000000001", sequence: 1, acknowledgedBelow: 1 };
    await node.write([{ ...base, key: utf8("long"), ttlMs: 1_000_000 }], { ...WRITE, requestId });
    await node.write([{ ...base, key: utf8("short"), ttlMs: 1 }], WRITE);
    await write(source, { round: 1 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    await write(source, { round: 2 });
    await makeBackup({ directory, source });
    const target = new MemoryTarget(source);
    await restoreBackup({ directory, target, force: true });
    assert.is(target.rows.size, KEYS + 1);
    const { ttlMs } = target.rows.get("long")!;
    assert.ok(ttlMs! > 900_000 && ttlMs! < 1_000_000, `${ttlMs}`);
    assert.is(target.rows.get("key 1")!.ttlMs, undefined);
  });
});

test("a run that is cut short is repeated, and uses what had come", async () => {
  await withSource(async (source) => {
    const directory = newDirectory();
    const expected = await write(source, { round: 1 });
    let files = 0;
    let last = "";
    source.disturb = (part) => {
      if (part.kind === "state" && part.partitionId === 1) throw new Error("cut off");
      if (part.kind === "filePart" && String(part.file) !== last) files++;
      if (part.kind === "filePart") last = String(part.file);
      return part;
    };
    assert.is(await messageOf(makeBackup({ directory, source })), "cut off");
    assert.match(await messageOf(verifyBackups({ directory, all: false })), /^There is no backup in /);
    Deno.writeTextFileSync(`${directory}/tables/${"0".repeat(32)}.table.new`, "unfinished");
    source.disturb = (part) => part;
    const made = await makeBackup({ directory, source });
    assert.ok(files > 0);
    assert.is(made.copiedFiles, made.files - files);
    assert.equal((await verifyBackups({ directory, all: true })).problems, []);
    assert.not.ok([...Deno.readDirSync(`${directory}/tables`)].some(({ name }) => name.endsWith(".new")));
    assert.equal(sorted(await restored(directory, source)), sorted(expected));
  });
});

test("a stream that breaks off is asked for again", async () => {
  await withSource(async (source) => {
    const directory = newDirectory();
    const expected = await write(source, { round: 1 });
    let breaks = 3;
    source.disturb = (part) => {
      if (part.kind === "filePart" && breaks-- > 0) throw new Error("the leader is another one");
      return part;
    };
    await makeBackup({ directory, source });
    assert.equal(sorted(await restored(directory, source)), sorted(expected));
  });
});

test("what comes damaged is not taken, whoever has damaged it", async () => {
  await withSource(async (source) => {
    await write(source, { round: 1 });
    const damaged = (part: SourcePart, crcToo: boolean): SourcePart => {
      if (part.kind !== "filePart") return part;
      const data = part.data.slice();
      data[10]! ^= 1;
      return crcToo ? { ...part, data, crc: crcOf(data) } : { ...part, data };
    };
    for (
      const [crcToo, words] of [[false, /with a wrong checksum/], [true, /is damaged at the node/]] as const
    ) {
      const directory = newDirectory();
      source.disturb = (part) => damaged(part, crcToo);
      assert.match(await messageOf(makeBackup({ directory, source })), words);
      assert.match(await messageOf(verifyBackups({ directory, all: false })), /^There is no backup/);
    }
  });
});

test("a flipped byte is found wherever it is, and named with its file", async () => {
  await withSource(async (source) => {
    const directory = newDirectory();
    await write(source, { round: 1, to: 20 });
    const { path } = await makeBackup({ directory, source });
    const before = await folderState(directory);
    const paths = [
      path,
      ...[...Deno.readDirSync(`${directory}/tables`)].map(({ name }) => `${directory}/tables/${name}`),
    ];
    for (const each of paths) {
      const sound = Deno.readFileSync(each);
      for (let at = 0; at < sound.length; at += each === path ? 7 : 97) {
        const bytes = sound.slice();
        bytes[at]! ^= 1;
        Deno.writeFileSync(each, bytes);
        const { problems } = await verifyBackups({ directory, all: true });
        assert.is(problems.length, 1, `${each} at ${at}`);
        assert.ok(problems[0]!.includes(each), problems[0]);
      }
      Deno.writeFileSync(each, sound);
    }
    Deno.renameSync(paths[1]!, `${folder}/away`);
    assert.equal((await verifyBackups({ directory, all: true })).problems, [`${paths[1]}: it is missing`]);
    Deno.renameSync(`${folder}/away`, paths[1]!);
    assert.is((await folderState(directory)).length, before.length);
  });
});

test("a table that has become shorter is copied again", async () => {
  await withSource(async (source) => {
    const directory = newDirectory();
    await write(source, { round: 1 });
    await makeBackup({ directory, source });
    const [table] = [...Deno.readDirSync(`${directory}/tables`)];
    Deno.truncateSync(`${directory}/tables/${table!.name}`, 100);
    assert.is((await makeBackup({ directory, source })).copiedFiles >= 1, true);
    assert.equal((await verifyBackups({ directory, all: false })).problems, []);
  });
});

test("directories of others, and of other clusters, are refused untouched", async () => {
  await withSource(async (source) => {
    const foreign = newDirectory();
    Deno.mkdirSync(foreign);
    Deno.writeTextFileSync(`${foreign}/letter.txt`, "Dear");
    const before = await folderState(foreign);
    assert.match(await messageOf(makeBackup({ directory: foreign, source })), /it holds "letter.txt"/);
    assert.equal(await folderState(foreign), before);
    const directory = newDirectory();
    await makeBackup({ directory, source });
    source.clusterId = "f".repeat(32);
    assert.match(await messageOf(makeBackup({ directory, source })), /holds backups of cluster/);
  });
});

test("only an empty cluster is filled, unless it is meant", async () => {
  await withSource(async (source) => {
    const directory = newDirectory();
    await makeBackup({ directory, source });
    const target = new MemoryTarget(source);
    const { keys } = await restoreBackup({ directory, target, force: false });
    assert.is(keys, 0);
    await write(source, { round: 1, to: 1 });
    assert.match(await messageOf(restoreBackup({ directory, target, force: false })), /it is not empty/);
    await restoreBackup({ directory, target, force: true });
  });
});

test("a node begins from the tables themselves, above all versions, without sessions", async () => {
  await withSource(async (source) => {
    const directory = newDirectory();
    const expected = await write(source, { round: 1 });
    const requestId = { clientId: "0000000000000009", sequence: 1, acknowledgedBelow: 1 };
    const base = { kind: "put", value: utf8("v"), precondition: undefined } as const;
    const once = [{ ...base, key: utf8("key 1"), ttlMs: 500_000 }];
    await source.cluster.node(1).write(once, { ...WRITE, requestId });
    expected.set("key 1", "v");
    await makeBackup({ directory, source });
    const highest = Math.max(
      ...source.cluster.node(1).replicas.held().map(({ machine }) => machine.appliedIndex),
    );
    const restoredCluster = new NodeCluster(1, {
      sizes: TINY_SIZES,
      partitionCount: PARTITIONS,
      replicationFactor: 3,
    });
    try {
      const dataDirectory = restoredCluster.directoryOf(1);
      Deno.mkdirSync(`${dataDirectory}.restoring/state/1`, { recursive: true });
      Deno.writeTextFileSync(`${dataDirectory}.restoring/state/1/CURRENT`, "of a run that was cut short");
      const { index } = await restoreData({ directory, dataDirectory, nodeId: 1 });
      assert.ok(index > highest);
      assert.match(await messageOf(restoreData({ directory, dataDirectory, nodeId: 1 })), /it holds "/);
      await restoredCluster.start();
      await restoredCluster.ready();
      const node = restoredCluster.node(1);
      assert.is.not(node.clusterId, source.clusterId);
      for (const [key, value] of expected) assert.is(await text(node, key), value);
      const [{ expiresInMs } = {}] = (await node.read([utf8("key 1")], READ)) as readonly {
        expiresInMs?: number;
      }[];
      assert.ok(expiresInMs! > 400_000 && expiresInMs! <= 500_000, `${expiresInMs}`);
      assert.ok(node.replicas.held().every(({ machine }) => [...machine.sessionEntries()].length === 0));
      const [written] = await node.write([put("key 1", "new")], { ...WRITE, requestId });
      assert.ok(written!.ok && written!.version > index, "the same request is another one here");
      assert.is(await text(node, "key 1"), "new");
      await restoredCluster.stop(1);
      await restoredCluster.start(1);
      await restoredCluster.ready();
      assert.is(await text(restoredCluster.node(1), "key 1"), "new");
      assert.is(await text(restoredCluster.node(1), "key 2"), expected.get("key 2"));
    } finally {
      await restoredCluster.close();
    }
  });
});

test("a damaged table makes no data directory", async () => {
  await withSource(async (source) => {
    const [directory, dataDirectory] = [newDirectory(), newDirectory()];
    await write(source, { round: 1 });
    await makeBackup({ directory, source });
    const [table] = [...Deno.readDirSync(`${directory}/tables`)];
    const path = `${directory}/tables/${table!.name}`;
    const bytes = Deno.readFileSync(path);
    bytes[50]! ^= 1;
    Deno.writeFileSync(path, bytes);
    assert.match(await messageOf(restoreData({ directory, dataDirectory, nodeId: 1 })), /checksum/);
    assert.equal(await folderState(dataDirectory), ["not there"]);
  });
});

test("a batch that cannot be written ends a restoration", async () => {
  await withSource(async (source) => {
    const directory = newDirectory();
    await write(source, { round: 1 });
    await makeBackup({ directory, source });
    const target = new MemoryTarget(source);
    target.write = () => Promise.reject(new Error("no room"));
    assert.is(await messageOf(restoreBackup({ directory, target, force: true })), "no room");
  });
});

test.run();
