/**
 * Snapshots on their way from a node that has the state of a group to one that lacks it: who sends, who
 * receives, and the bytes between them. What a snapshot consists of, the stores at both ends know; when one
 * is needed, consensus says.
 *
 * **What it owns.** The ids of snapshots that are open at a sender, and who receives them; the transfers of a
 * receiver; the bytes of `prkdb.v1.RaftService/ReadSnapshot` (`proto/prkdb/v1/raft.proto`). No files: those
 * are read and written through the two ports, `SnapshotSource` and `SnapshotTarget`.
 *
 * **How a snapshot travels.** In requests and answers that know nothing of each other, each a call of its own
 * beside the peers' streams: what is lost is asked for again, and the sender keeps no more of a receiver than
 * when it has asked last.
 *
 * ```
 * receiver                                             sender
 * want ─▶ SnapshotTransfer ─▶ askSnapshot ═▶ SnapshotService ─▶ SnapshotSender ─▶ SnapshotSource
 *              │ begin, write, install                                (flushes and pins)
 *              ▼
 *         SnapshotTarget
 * ```
 *
 * **Read in this order.** `snapshot_ports.ts`: the two ends. `snapshot_codec.ts`: what travels, as bytes.
 * `snapshot_sender.ts`: the end that has the state. `snapshot_transfer.ts`, with `pacer.ts`: one transfer.
 * `snapshot_receiver.ts`: all transfers of a node. `snapshot_service.ts`, `snapshot_caller.ts`: the way in
 * and the way out, over HTTP.
 *
 * **What it never does.** It decides for no replica that it needs a snapshot, and switches none to it. It
 * does not open what it carries.
 *
 * **Invariants**
 *
 * - An id of a snapshot is never used twice by a process, nor, while the wall clock does not go back, by the
 *   one after it.
 * - At most one transfer a group and two a node run; at most four snapshots are open at a sender.
 * - What is open is released in the end, whatever becomes of its receivers.
 * - A part is of the length that was asked for and of the checksum that was sent, or it is asked for again.
 * - All time is the `Clock`'s, but for the limit of a request over HTTP.
 *
 * @module
 */

export { SNAPSHOT_ANSWER_LIMIT_MS, SnapshotCaller } from "./snapshot_caller.ts";
export { decodeSnapshotAnswer, encodeSnapshotCall, type SnapshotEnvelope } from "./snapshot_codec.ts";
export type {
  HeldSnapshot,
  MissingFile,
  SnapshotInstall,
  SnapshotSource,
  SnapshotTarget,
} from "./snapshot_ports.ts";
export {
  SnapshotReceiver,
  type SnapshotReceiverOptions,
  type SnapshotReceiverStats,
  type SnapshotWish,
} from "./snapshot_receiver.ts";
export { SnapshotSender, type SnapshotSenderOptions, type SnapshotSenderStats } from "./snapshot_sender.ts";
export { answerSnapshotCall, SNAPSHOT_PATH, type SnapshotHost, SnapshotService } from "./snapshot_service.ts";
