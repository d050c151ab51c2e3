/**
 * What travels from store to store: a state as a description and files that are read, and its way into
 * another store.
 *
 * Read `snapshot` (how it is read and described; the bytes are in `../FORMAT.md`, "Snapshot description"),
 * `incoming_table` (one file that comes in, and how it is verified) and `installation`.
 *
 * How the bytes travel, and who has a snapshot for whom, is not known here.
 *
 * @module
 */

export { type VerifyingOptions, verifyTable } from "./incoming_table.ts";
export {
  Installation,
  type KeptTable,
  type MissingTable,
  type Replacement,
  type StoreInstall,
} from "./installation.ts";
export {
  checkSnapshotDescription,
  decodeSnapshotDescription,
  encodeSnapshotDescription,
  type SnapshotDescription,
  type StoreSnapshot,
  TableSnapshot,
} from "./snapshot.ts";
