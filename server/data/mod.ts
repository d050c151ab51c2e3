/**
 * TODO(header): server/data
 *
 * @module
 */

export {
  type DataDirectory,
  DataDirectoryError,
  type Identity,
  newIncarnation,
  openDataDirectory,
} from "./data_directory.ts";
export { type JoinRecord, obtainJoinRecord, shapeOf } from "./join.ts";
export { PeerIdentities } from "./peer_identities.ts";
