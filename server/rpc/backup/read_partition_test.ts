/**
 * Streams of backups on a node that is none: what comes in which order, what is left out, and that what was
 * opened is released however a stream ends.
 *
 * @module
 */

import { create } from "@bufbuild/protobuf";
import { ReadPartitionRequestSchema } from "../../../proto/mod.ts";
import { FakeNode } from "../../../tests/conformance/fake_node.ts";
import { assert, suite } from "../../../tests/harness.ts";
import { until } from "../../../tests/support/patience.ts";
import { crc32c } from "../../../wal-wasm/mod.ts";
import { type ClusterMetadata, DomainError, type OpenBackup } from "../../api/mod.ts";
import { HeldBackup } from "./held_backup.ts";
import { BACKUPS_OPEN_MAX, readPartitionStream } from "./read_partition.ts";

const test = suite("backup streams");
const FILES = [600_000, 10, 300_000].map((bytes, at) => ({ identity: new Uint8Array(16).fill(at), bytes }));
const DESCRIPTION = new Uint8Array(1_500_000).fill(5);

/** Partition 0 has three files, whose bytes tell their places. */
class BackupNode extends FakeNode {
  open = 0;

  override metadata(): ClusterMetadata {
    const [partition] = super.metadata().partitions;
    return { ...super.metadata(), partitions: [{ ...partition!, partitionId: 0 }] };
  }

  override openBackup(): Promise<OpenBackup> {
    let isOpen = true;
    this.open++;
    return Promise.resolve({
      index: 7,
      term: 2,
      description: DESCRIPTION,
      files: FILES,
      read: (file, offset, into) => {
        assert.ok(isOpen, "nothing is read of what was released");
        into.forEach((_, at) => into[at] = (offset + at + file) & 255);
      },
      release: () => {
        if (isOpen) this.open--;
        isOpen = false;
      },
    });
  }
}

interface Asked {
  readonly held?: readonly Uint8Array[];
  readonly partitionId?: number;
  readonly signal?: AbortSignal;
}

function stream(node: BackupNode, { held = [], partitionId = 0, signal }: Asked = {}) {
  const question = create(ReadPartitionRequestSchema, { held: [...held], partitionId });
  return readPartitionStream.answer(node)(question, signal ?? new AbortController().signal);
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "none";
  } catch (error) {
    return error instanceof DomainError ? error.failure.kind : String(error);
  }
}

test("all of it comes in order, in parts with the right checksums", async () => {
  const node = new BackupNode();
  const kinds: string[] = [];
  const received = FILES.map(() => 0);
  let description = 0;
  for await (const part of stream(node)) {
    kinds.push(part.case!);
    if (part.case === "description") description += part.value.length;
    if (part.case !== "filePart") continue;
    const { crc, data, file, offset } = part.value;
    assert.is(Number(offset), received[file!]);
    assert.is(crc, crc32c(data!));
    assert.is(data![3], (Number(offset) + 3 + file!) & 255);
    received[file!]! += data!.length;
  }
  assert.equal(received, FILES.map(({ bytes }) => bytes));
  assert.is(description, DESCRIPTION.length);
  assert.equal([...new Set(kinds)], ["state", "description", "filePart", "end"]);
  assert.is(node.open, 0);
});

test("what the reader has is described and not sent", async () => {
  const node = new BackupNode();
  const sent = new Set<number>();
  let end: unknown;
  for await (const part of stream(node, { held: [FILES[0]!.identity, new Uint8Array(16).fill(99)] })) {
    if (part.case === "state") assert.is(part.value.files!.length, FILES.length);
    if (part.case === "filePart") sent.add(part.value.file!);
    if (part.case === "end") end = part.value;
  }
  assert.equal([...sent], [1, 2]);
  assert.equal(end, { files: 2, bytes: 300_010n });
});

test("what makes no sense is refused before anything is opened", async () => {
  const node = new BackupNode();
  const questions: readonly Asked[] = [{ partitionId: 1 }, { held: [new Uint8Array(15)] }];
  for (const question of questions) {
    assert.is(await codeOf(stream(node, question)[Symbol.asyncIterator]().next()), "invalidArgument");
  }
  assert.is(node.open, 0);
});

test("a reader that leaves lets go, in the middle and between two parts", async () => {
  const node = new BackupNode();
  for await (const part of stream(node)) if (part.case === "filePart") break;
  assert.is(node.open, 0);
  const leaving = new AbortController();
  const parts = stream(node, { signal: leaving.signal })[Symbol.asyncIterator]();
  for (let step = 0; step < 4; step++) await parts.next();
  assert.is(node.open, 1);
  leaving.abort();
  assert.is(node.open, 0);
});

test("a reader that takes nothing loses it, and is told", async () => {
  const node = new BackupNode();
  const held = new HeldBackup(await node.openBackup(), new AbortController().signal, 20);
  await until(() => node.open === 0, "it is released");
  assert.is(await codeOf(Promise.try(() => held.touch())), "unavailable");
  held.release();
});

test("only so many are open at a time", async () => {
  const node = new BackupNode();
  const answer = readPartitionStream.answer(node);
  const leaving = new AbortController();
  const ask = () => answer(create(ReadPartitionRequestSchema), leaving.signal)[Symbol.asyncIterator]();
  const open = Array.from({ length: BACKUPS_OPEN_MAX }, ask);
  for (const each of open) await each.next();
  assert.is(await codeOf(ask().next()), "overloaded");
  await open[0]!.return?.();
  assert.is(await codeOf(ask().next()), "none");
  leaving.abort();
});

test.run();
