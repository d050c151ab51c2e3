/**
 * The WebAssembly module: makes and judges frames of the write-ahead log in a memory of fixed size.
 * Imports nothing, allocates nothing; the tables are filled when the module is instantiated.
 *
 * @module
 */

import { fillTables } from "./crc32c";

export { crc32c } from "./crc32c";
export { findFrame, isDirectory, sealFrame, verifyFrame } from "./frame";
export {
  FORMAT_VERSION,
  FRAME_HEADER_BYTES,
  GROUP_LIST,
  GROUP_LIST_MAX,
  MEMORY_PAGES,
  PAYLOAD_BYTES_MAX,
  STAGE,
  STAGE_BYTES,
} from "./layout";

fillTables();
