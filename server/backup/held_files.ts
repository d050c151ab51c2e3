/**
 * The tables that a directory of backups has already, with what is known of them. Of those that no manifest
 * names, which a run that was cut short has left, the checksum is found by reading them, when it is needed.
 *
 * @module
 */

import type { BackupDirectory } from "./directory.ts";
import { type BackedUpFile, tableName } from "./manifest.ts";
import { readWholeFile, sizeOf } from "./whole_file.ts";

/** A table that is there. */
interface HeldFile extends BackedUpFile {
  /** Whose it is. */
  readonly partitionId: number;
}

/** See the module comment. */
export class HeldFiles {
  /** The cluster whose backups are there; `undefined` if there are none. */
  readonly clusterId: string | undefined;
  /** When the newest backup was begun; 0 if there is none. */
  readonly newestMs: number;
  readonly #directory: BackupDirectory;
  readonly #known: Map<string, HeldFile>;
  /** That no manifest names. */
  readonly #unknown: Set<string>;

  private constructor(directory: BackupDirectory, found: Found) {
    this.#directory = directory;
    this.clusterId = found.clusterId;
    this.newestMs = found.newestMs;
    this.#known = found.known;
    this.#unknown = found.unknown;
  }

  /**
   * Looks what is there. A file that has not the size that a manifest says does not count.
   *
   * @throws {BackupError} when a manifest is not valid
   */
  static async find(directory: BackupDirectory): Promise<HeldFiles> {
    const found: Found = { clusterId: undefined, newestMs: 0, known: new Map(), unknown: new Set() };
    const names = new Set(await directory.tableNames());
    for (const path of await directory.manifests()) {
      const { manifest } = await directory.read(path);
      found.clusterId = manifest.clusterId;
      found.newestMs = Math.max(found.newestMs, Date.parse(manifest.startedAt));
      for (const { description: { tables }, partitionId } of manifest.partitions) {
        for (const record of tables) {
          const name = tableName(record);
          if (names.has(name)) found.known.set(name, { ...manifest.files.get(name)!, partitionId });
        }
      }
    }
    for (const [name, { bytes }] of found.known) {
      names.delete(name);
      if (await sizeOf(directory.fileSystem, directory.pathOf(name)) !== bytes) found.known.delete(name);
    }
    found.unknown = names;
    return new HeldFiles(directory, found);
  }

  /** Of tables of a partition, and of those of which it is not known whose they are. */
  identities(partitionId: number): readonly Uint8Array[] {
    const known = [...this.#known].filter(([, file]) => file.partitionId === partitionId).map(([name]) =>
      name
    );
    return [...known, ...this.#unknown].map((name) => Uint8Array.fromHex(name));
  }

  /** One has come. */
  add(name: string, file: HeldFile): void {
    this.#known.set(name, file);
    this.#unknown.delete(name);
  }

  /** What is known of a table that is there; `undefined` when it is not. */
  async get(name: string): Promise<BackedUpFile | undefined> {
    const known = this.#known.get(name);
    if (known !== undefined) return { bytes: known.bytes, crc32c: known.crc32c };
    if (!this.#unknown.has(name)) return undefined;
    return await readWholeFile(this.#directory.fileSystem, this.#directory.pathOf(name));
  }
}

interface Found {
  clusterId: string | undefined;
  newestMs: number;
  readonly known: Map<string, HeldFile>;
  unknown: Set<string>;
}
