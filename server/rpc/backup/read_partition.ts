/**
 * `ReadPartition`: what a partition holds, as a stream of parts: the state, its description, the files that
 * the reader does not have, the end.
 *
 * @module
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  BACKUP_HELD_MAX,
  BACKUP_IDENTITY_BYTES,
  BACKUP_PART_BYTES_MAX,
  BackupService,
  DEFAULT_TIMEOUT_MS,
  type ReadPartitionResponseSchema,
} from "../../../proto/mod.ts";
import { crc32c } from "../../../wal-wasm/mod.ts";
import { DomainError, invalidArgument, type NodeApi } from "../../api/mod.ts";
import { defineStream } from "../method/mod.ts";
import { HeldBackup } from "./held_backup.ts";

/** States that are open at a time: each keeps files on the disk that compaction would remove. */
export const BACKUPS_OPEN_MAX = 8;
/** Of files: large enough for the network, small enough for the turns of the node beside it. */
const PART_BYTES = BACKUP_PART_BYTES_MAX / 4;

type Part = NonNullable<MessageInitShape<typeof ReadPartitionResponseSchema>["part"]>;

/** What is asked for. */
interface BackupQuestion {
  readonly partitionId: number;
  readonly held: readonly Uint8Array[];
}

/** See the module comment. */
export const readPartitionStream = defineStream({
  desc: BackupService.method.readPartition,
  answer: (node) => {
    let open = 0;
    return async function* ({ held, partitionId }, signal) {
      checkQuestion(node, { held, partitionId });
      if (open >= BACKUPS_OPEN_MAX) throw tooManyOpen();
      open++;
      try {
        const timeoutMs = DEFAULT_TIMEOUT_MS;
        const backup = new HeldBackup(await node.openBackup(partitionId, { timeoutMs }), signal);
        try {
          yield* parts(node, { backup, held, partitionId, signal });
        } finally {
          backup.release();
        }
      } finally {
        open--;
      }
    };
  },
  reply: (part: Part) => ({ part }),
});

function checkQuestion(node: NodeApi, { held, partitionId }: BackupQuestion): void {
  const { partitions } = node.metadata();
  if (!partitions.some((each) => each.partitionId === partitionId)) {
    throw invalidArgument(`Cannot read partition ${partitionId}: there are ${partitions.length}, from 0 on`);
  }
  if (held.length > BACKUP_HELD_MAX) {
    throw invalidArgument(
      `Cannot take ${held.length} identities: at most ${BACKUP_HELD_MAX} (BACKUP_HELD_MAX)`,
    );
  }
  if (held.some(({ length }) => length !== BACKUP_IDENTITY_BYTES)) {
    throw invalidArgument(`Cannot take an identity that has not ${BACKUP_IDENTITY_BYTES} bytes`);
  }
}

/** A stream that has begun. */
interface BackupStream extends BackupQuestion {
  readonly backup: HeldBackup;
  readonly signal: AbortSignal;
}

async function* parts(node: NodeApi, stream: BackupStream): AsyncGenerator<Part, void> {
  const { backup: { backup }, held } = stream;
  const { description, files } = backup;
  yield stateOf(node, stream);
  for (let offset = 0; offset < description.length; offset += BACKUP_PART_BYTES_MAX) {
    yield { case: "description", value: description.slice(offset, offset + BACKUP_PART_BYTES_MAX) };
  }
  const known = new Set(held.map((identity) => identity.toHex()));
  const missing = [...files.keys()].filter((file) => !known.has(files[file]!.identity.toHex()));
  let bytes = 0n;
  for (const file of missing) {
    yield* fileParts(stream, file);
    if (stream.signal.aborted) return;
    bytes += BigInt(files[file]!.bytes);
  }
  yield { case: "end", value: { files: missing.length, bytes } };
}

function stateOf(node: NodeApi, { backup: { backup }, partitionId }: BackupStream): Part {
  const { description, files, index, term } = backup;
  return {
    case: "state",
    value: {
      clusterId: node.clusterId,
      partitionId,
      partitionCount: node.metadata().partitions.length,
      index: BigInt(index),
      term: BigInt(term),
      descriptionBytes: description.length,
      files: files.map(({ bytes, identity }) => ({ identity, bytes: BigInt(bytes) })),
    },
  };
}

async function* fileParts({ backup, signal }: BackupStream, file: number): AsyncGenerator<Part, void> {
  const { bytes } = backup.backup.files[file]!;
  for (let offset = 0; offset < bytes && !signal.aborted; offset += PART_BYTES) {
    backup.touch();
    const data = new Uint8Array(Math.min(PART_BYTES, bytes - offset));
    backup.backup.read(file, offset, data);
    yield { case: "filePart", value: { file, offset: BigInt(offset), data, crc: crc32c(data) } };
    // What else the node has to do comes between two parts, however fast the reader is.
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
  }
}

function tooManyOpen(): DomainError {
  return new DomainError(
    { kind: "overloaded" },
    `Cannot open another backup: ${BACKUPS_OPEN_MAX} are being read at this node, which is the limit ` +
      "(BACKUPS_OPEN_MAX): try again later",
  );
}
