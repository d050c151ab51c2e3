/**
 * Bugs that stores really had, or nearly, as edits of this one's source. Each must be caught by the random
 * lives of two stores between which snapshots travel (`tests/support/storage/install_run.ts`).
 *
 * @module
 */

import type { Mutant } from "./planter.ts";

/** See the module comment. */
export const STORAGE_BUGS: readonly Mutant[] = [
  {
    name: "a snapshot is merged with what is there",
    edits: [{
      file: "server/storage/stored_tables.ts",
      find: ".filter((fileNumber) => !staying.has(fileNumber));",
      replace: ".filter((fileNumber) => fileNumber < 0);",
    }],
  },
  {
    name: "what is in memory outlives a snapshot",
    edits: [{
      file: "server/storage/store.ts",
      find:
        "    this.#active = new Memtable(this.#tables.seed);\n    this.#frozen = [];\n    this.#lastVersion",
      replace: "    for (const memtable of memtablesOf(sources)) memtable.hold();\n    this.#lastVersion",
    }],
  },
  {
    name: "pins do not outlive a snapshot",
    edits: [{
      file: "server/storage/former_states.ts",
      find: "    if (pins.versions.length === 0) {",
      replace: "    if (pins.versions.length >= 0) {",
    }],
  },
  {
    name: "what was received is not verified",
    edits: [{
      file: "server/storage/snapshot/incoming_table.ts",
      find: "await verifyTable(this.#files.view(this.#record, this.#file!), options);",
      replace: "await options.pause();",
    }],
  },
  {
    name: "what was received is not synced",
    edits: [{
      file: "server/storage/snapshot/incoming_table.ts",
      find: "    await this.#orWriteFailed(this.#file!.syncData());\n",
      replace: "",
    }],
  },
  {
    name: "the names of what was received are not synced",
    edits: [{
      file: "server/storage/snapshot/installation.ts",
      find: "if (incoming.length > 0) await files.syncNames();",
      replace: "",
    }],
  },
  {
    name: "a table that a compaction took away during an installation does not come back",
    edits: [{
      file: "server/storage/stored_tables.ts",
      find: "const opened = [...received, ...kept.map(({ held }) => held)];",
      replace: "const opened = received;",
    }],
  },
  {
    name: "a table that both states have stays in the level where it was",
    edits: [{
      file: "server/storage/stored_tables.ts",
      find: "...kept.map(({ held, level }) => ({ ...held.record, level })),",
      replace: "...kept.map(({ held }) => held.record),",
    }],
  },
  {
    name: "compactions go on while a snapshot takes the place of their tables",
    edits: [{
      file: "server/storage/store.ts",
      find: "Promise.allSettled([this.#flushing, this.#compacting])\n      .then(",
      replace: "Promise.allSettled([this.#flushing])\n      .then(",
    }],
  },
  {
    name: "flushed tables are in the order of their numbers",
    edits: [{
      file: "server/storage/reading/table_set.ts",
      find: "right.record.summary.lowestVersion - left.record.summary.lowestVersion",
      replace: "right.record.fileNumber - left.record.fileNumber",
    }],
  },
  {
    name: "a tombstone goes though there are older entries below",
    edits: [{
      file: "server/storage/stored_tables.ts",
      find: "isBottom: (key) => !set.hasBelow(level + 1, key)",
      replace: "isBottom: () => true",
    }],
  },
  {
    name: "compaction forgets what only a pin can see",
    edits: [{
      file: "server/storage/retention.ts",
      find: "const isVisible = this.#isNewKey || this.#isPinned(version, this.#newer);",
      replace: "const isVisible = this.#isNewKey;",
    }],
  },
  {
    name: "a block is returned whatever its checksum says",
    edits: [{
      file: "server/storage/table/table.ts",
      find: "if (checksumAt(content, { seed: this.#seed, offset }) === written >>> 0) return content;",
      replace: "if (checksumAt(content, { seed: this.#seed, offset }) >= 0) return content;",
    }],
  },
  {
    name: "a replaced table is removed before the change is durable",
    edits: [{
      file: "server/storage/stored_tables.ts",
      find: "    await this.#log.commit(edit);\n",
      replace: "    for (const number of edit.gone) this.#files.discard(this.#files.pathOf(number));\n" +
        "    await this.#files.sweep();\n    await this.#log.commit(edit);\n",
    }],
  },
  {
    name: "an edit counts before it is synced",
    edits: [{
      file: "server/storage/manifest/manifest.ts",
      find: "    await this.#file.syncData();\n    this.#end = this.#pendingEnd;\n",
      replace: "    this.#end = this.#pendingEnd;\n",
    }],
  },
];
