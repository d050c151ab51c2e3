/**
 * The state of a replica as those see it who make backups: a snapshot whose files have positions and
 * identities, and that fails in the words of the domain.
 *
 * @module
 */

import type { GroupId } from "../../raft/mod.ts";
import { DomainError, type OpenBackup } from "../api/mod.ts";
import { describePartition, partitionOfGroup } from "../cluster/mod.ts";
import { encodeIdentity, StorageError } from "../storage/mod.ts";
import type { ReplicaSnapshots } from "./replica_snapshots.ts";

/**
 * Opens all that the replica of a group has applied.
 *
 * @throws {DomainError} `unavailable` when there is none here that can give it, or it cannot be flushed
 */
export async function openBackup(
  snapshots: Pick<ReplicaSnapshots, "openSnapshot">,
  group: GroupId,
): Promise<OpenBackup> {
  const what = `Cannot open ${describePartition(partitionOfGroup(group))} for a backup`;
  const held = await snapshots.openSnapshot(group).catch((error) => {
    throw inDomain(error, what);
  });
  if (held === undefined) {
    throw new DomainError({ kind: "unavailable" }, `${what}: its replica here cannot be read now; try again`);
  }
  const { description, point: { index, term }, tables } = held;
  return {
    index,
    term,
    description,
    files: tables.map(({ summary: { fileBytes, identity } }) => (
      { identity: encodeIdentity(identity), bytes: fileBytes }
    )),
    read: (file, offset, into) => {
      try {
        held.read(tables[file]!.fileNumber, offset, into);
      } catch (error) {
        throw inDomain(error, what);
      }
    },
    release: () => held.release(),
  };
}

function inDomain(error: unknown, what: string): unknown {
  if (!(error instanceof StorageError)) return error;
  const kind = error.code === "STORAGE_DAMAGED" ? "dataLoss" : "unavailable";
  return new DomainError({ kind }, `${what}: ${error.message}`);
}
