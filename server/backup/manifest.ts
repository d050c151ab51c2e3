/**
 * The manifest of a backup: what it consists of, as plain data and as text. See `FORMAT.md`, "Manifests".
 *
 * @module
 */

import { crc32c } from "../../wal-wasm/mod.ts";
import { decodeSnapshotDescription, type SnapshotDescription } from "../storage/mod.ts";
import { encodeIdentity, type TableRecord } from "../storage/mod.ts";
import { BackupError } from "./backup_error.ts";

/** The format of manifests that this version writes and reads. */
const FORMAT = 1;
const UNSET_CRC = "00000000";

/** What is said of a file. */
export interface BackedUpFile {
  readonly bytes: number;
  /** CRC-32C of all of it, 8 hexadecimal digits. */
  readonly crc32c: string;
}

/** A partition in a backup. */
export interface BackedUpPartition {
  readonly partitionId: number;
  /** Of the last entry of its log that is in it. */
  readonly index: number;
  readonly term: number;
  readonly description: SnapshotDescription;
  /** The same, as it was received. */
  readonly descriptionBytes: Uint8Array;
}

/** One backup. */
export interface BackupManifest {
  readonly clusterId: string;
  /** Version of the program that made it. */
  readonly program: string;
  /** Times of day, as in `2026-11-27T11:45:02.123Z`. */
  readonly startedAt: string;
  readonly finishedAt: string;
  /** By partition id. */
  readonly partitions: readonly BackedUpPartition[];
  /** By identity, 32 hexadecimal digits. */
  readonly files: ReadonlyMap<string, BackedUpFile>;
}

/** As a table is named in backups: its identity in hexadecimal digits. */
export function tableName({ summary }: TableRecord): string {
  return encodeIdentity(summary.identity).toHex();
}

/** A checksum as it is written. */
export function crcText(crc: number): string {
  return crc.toString(16).padStart(8, "0");
}

/** The text of a manifest. */
export function formatManifest(manifest: BackupManifest): string {
  const text = render(manifest, UNSET_CRC);
  return render(manifest, crcText(crc32c(new TextEncoder().encode(text))));
}

/**
 * Reads a manifest.
 *
 * @param path where it is from
 * @throws {BackupError} when it is not valid
 */
export function parseManifest(text: string, path: string): BackupManifest {
  const refuse = (why: string) => new BackupError(`Cannot use the manifest "${path}": ${why}`);
  let fields: Record<string, unknown>;
  try {
    fields = Object(JSON.parse(text));
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error));
  }
  if (typeof fields.format === "number" && fields.format > FORMAT) {
    throw refuse(`it has format ${fields.format}, this version reads format ${FORMAT}`);
  }
  let manifest: BackupManifest;
  try {
    manifest = manifestOf(fields as unknown as Written);
  } catch (error) {
    throw refuse(`it is damaged (${error instanceof Error ? error.message : String(error)})`);
  }
  if (formatManifest(manifest) !== text) throw refuse("it is damaged, or was changed: its checksum is wrong");
  const problem = contradictionIn(manifest);
  if (problem !== undefined) throw refuse(problem);
  return manifest;
}

/** As it stands in the file. */
interface Written extends Pick<BackupManifest, "clusterId" | "program" | "startedAt" | "finishedAt"> {
  readonly partitions: readonly {
    readonly partitionId: number;
    readonly index: number;
    readonly term: number;
    readonly description: string;
  }[];
  readonly files: Readonly<Record<string, BackedUpFile>>;
}

function render(manifest: BackupManifest, crc: string): string {
  const { clusterId, files, finishedAt, program, startedAt } = manifest;
  const partitions = manifest.partitions.map(({ descriptionBytes, index, partitionId, term }) => (
    { partitionId, index, term, description: descriptionBytes.toBase64() }
  ));
  const written = {
    format: FORMAT,
    clusterId,
    program,
    startedAt,
    finishedAt,
    partitions,
    files: Object.fromEntries([...files].map(([name, { bytes, crc32c }]) => [name, { bytes, crc32c }])),
    crc32c: crc,
  };
  return `${JSON.stringify(written, null, 2)}\n`;
}

function manifestOf(written: Written): BackupManifest {
  const { clusterId, finishedAt, program, startedAt } = written;
  const partitions = written.partitions.map(({ description, index, partitionId, term }) => {
    const descriptionBytes = Uint8Array.fromBase64(description);
    const decoded = decodeSnapshotDescription(descriptionBytes);
    return { partitionId, index, term, description: decoded, descriptionBytes };
  });
  const files = new Map(Object.entries(written.files));
  return { clusterId, program, startedAt, finishedAt, partitions, files };
}

/** What a manifest with the right checksum says that cannot be, `undefined` if all can. */
function contradictionIn({ files, partitions }: BackupManifest): string | undefined {
  const named = new Set<string>();
  for (const [at, { description: { point, tables }, index, partitionId, term }] of partitions.entries()) {
    if (partitionId !== at) return `partition ${at} is missing`;
    if (point.index !== index || point.term !== term) return `partition ${at} does not fit its description`;
    for (const table of tables) {
      const name = tableName(table);
      if (files.get(name)?.bytes !== table.summary.fileBytes) {
        return `table ${name} is not as it is described`;
      }
      named.add(name);
    }
  }
  return named.size === files.size ? undefined : "it names files that no partition needs";
}
