/**
 * The tables of a store in use: opened, held by those who read them, and walked over as over one.
 *
 * Read `table_files` (how tables come and go), `table_set` (those of one moment, and how a key is found in
 * them), then `level_cursor`, `merge_cursor` and `row_cursor`, each of which is made of those before.
 *
 * The room knows which table is newer than which, and nothing of how they come about.
 *
 * @module
 */

export { LevelCursor } from "./level_cursor.ts";
export { MergeCursor } from "./merge_cursor.ts";
export { RowCursor } from "./row_cursor.ts";
export { TableFiles } from "./table_files.ts";
export { HeldTable, TableSet } from "./table_set.ts";
