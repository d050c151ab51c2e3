/**
 * Brings a snapshot from one store of the tests to another: without a network, and with bits that flip on the
 * way if that is wanted.
 *
 * @module
 */

import {
  decodeSnapshotDescription,
  encodeSnapshotDescription,
  type LogFloor,
  type Store,
  type StoreInstall,
  type StoreSnapshot,
} from "../../../server/storage/mod.ts";

/** What receivers of the tests begin their logs with. */
export const TEST_FLOOR: LogFloor = { segment: 4, offset: 160 };

/** A snapshot and where it goes. */
export interface StoreTransfer {
  readonly snapshot: StoreSnapshot;
  readonly install: StoreInstall;
  /** Bytes that are written at once, 700 unless given. */
  readonly chunkBytes?: number;
  /** May change what goes over the line. */
  readonly spoil?: (bytes: Uint8Array) => void;
}

/** Begins to install, with the description as it comes out of a message. */
export function beginTransfer(snapshot: StoreSnapshot, to: Store): Promise<StoreInstall> {
  return to.beginInstall(decodeSnapshotDescription(encodeSnapshotDescription(snapshot)));
}

/** Sends all that is missing; the buffer is used again at once, as a sender may do. */
export async function transferFiles(
  { snapshot, install, chunkBytes = 700, spoil }: StoreTransfer,
): Promise<void> {
  const buffer = new Uint8Array(chunkBytes);
  for (const { fileNumber, fileBytes, received } of install.missing) {
    for (let offset = received; offset < fileBytes; offset += chunkBytes) {
      const bytes = buffer.subarray(0, Math.min(chunkBytes, fileBytes - offset));
      snapshot.read(fileNumber, offset, bytes);
      spoil?.(bytes);
      await install.write(fileNumber, offset, bytes);
    }
  }
}

/** Brings the tables of one store to another; the receiver goes on with them. */
export async function sendSnapshot(from: Store, to: Store): Promise<void> {
  const snapshot = from.openSnapshot();
  try {
    const install = await beginTransfer(snapshot, to);
    await transferFiles({ snapshot, install });
    await install.finish(TEST_FLOOR);
  } finally {
    snapshot.release();
  }
}
