/**
 * `prkdb.v1.BackupService` on top of a node: the state of a partition as a stream, for those who keep
 * backups.
 *
 * **What it owns.** The border between the messages of `proto/prkdb/v1/backup.proto` and the domain, and the
 * states that are open: a few a node, each until it has been read, its reader leaves, or has taken nothing
 * for a minute.
 *
 * **What it never does.** It does not open what it sends: identities, lengths and bytes are the store's. It
 * queues nothing: the next part is read when the reader has taken the last one.
 *
 * `read_partition.ts` is the one method, `held_backup.ts` what is open.
 *
 * @module
 */

import type { NodeApi } from "../../api/mod.ts";
import { serveStream, type StreamMethod } from "../method/mod.ts";
import { readPartitionStream } from "./read_partition.ts";

/** The streams of `BackupService`, served by `node`. */
export function backupStreams(node: NodeApi): readonly StreamMethod[] {
  return [serveStream(readPartitionStream, node)];
}
