/**
 * Which tables a store consists of, and how far the log is in them: the manifest, and `CURRENT`, which names
 * the one in force.
 *
 * `../FORMAT.md` comes first. Then read `edit` (what is recorded), `frame` and `fixed_header` (its bytes),
 * `file_names`, `manifest`, which puts them together, and `state_log`, which is what the store uses.
 *
 * The room knows nothing of what is in tables, and removes no file.
 *
 * @module
 */

export {
  decodeEdit,
  encodeEdit,
  LEVELS_MAX,
  type LogFloor,
  type LogPoint,
  type StoreEdit,
  type TableRecord,
  UnknownEditError,
} from "./edit.ts";
export {
  CURRENT_NAME,
  CURRENT_TMP_NAME,
  fileNumberOf,
  type NumberedKind,
  numberedName,
} from "./file_names.ts";
export { type ManifestPlace, type NewManifest, type ReadManifest, StoreManifest } from "./manifest.ts";
export {
  EMPTY_POINT,
  FIRST_MANIFEST,
  type NewState,
  type RestingState,
  StateLog,
  type StoreState,
} from "./state_log.ts";
