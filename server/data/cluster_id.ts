/**
 * The id of the cluster that a data directory belongs to. Founders can work out only half of it from their
 * flags; the other half is drawn once, by the founding command of the cluster's own group, so that two
 * clusters that were first started with the same list are told apart.
 *
 * ```
 * 4be1c77a90d2f318 0000000000000000    a founder before it has heard of the founding (identity.json)
 * 4be1c77a90d2f318 9d0c52a6e1b7f384    from then on, for ever (cluster_id.json)
 *   of the flags      drawn
 * ```
 *
 * It is settled when it is durable here, and never changes then. Until it is, this node acknowledges nothing
 * to clients; from then on it speaks to peers on streams only that began with it. So whatever was
 * acknowledged lies on nodes that are bound to the same id (`docs/decisions/0022-…`). A directory made by an
 * earlier version, or by a node that joined, has a whole id from its first day.
 *
 * @module
 */

import type { FileSystem } from "../../wal-wasm/mod.ts";
import { readAtomicFile, writeAtomicFile } from "./atomic_file.ts";

/** Its name in the data directory. */
export const CLUSTER_ID_NAME = "cluster_id.json";

const FORMAT = 1;
/** Digits that follow from the flags of the founders; as many are drawn. */
const HALF_DIGITS = 16;
/** Stands where the drawn half will be. */
const UNDRAWN = "0".repeat(HALF_DIGITS);
const WHOLE_ID = /^[0-9a-f]{32}$/;
const WORD_DIGITS = 8;

/** The directory belongs to another cluster, or its file cannot be read; the message says which. */
export class ClusterIdError extends Error {
  override readonly name = "ClusterIdError";
}

/** Where the id is kept, and what the directory was first used with. */
export interface ClusterIdPlace {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  /** Of `identity.json`: whole, or with zeros for the half that is to be drawn. */
  readonly first: string;
}

/** `digits` of a hash of what the founders were started with, as an id that is still to be settled. */
export function undrawnId(digits: string): string {
  return digits.slice(0, HALF_DIGITS) + UNDRAWN;
}

/** Whether `id` is one that no founding has settled yet. */
export function isUndrawn(id: string): boolean {
  return id.length === 2 * HALF_DIGITS && id.endsWith(UNDRAWN);
}

/** See the module comment. */
export class ClusterId {
  readonly #place: ClusterIdPlace;
  readonly #settled = Promise.withResolvers<void>();
  #value: string;
  #saving: Promise<void> | undefined;

  private constructor(place: ClusterIdPlace, value: string) {
    this.#place = place;
    this.#value = value;
    if (this.isSettled) this.#settled.resolve();
  }

  /**
   * The id that the directory has.
   *
   * @throws {ClusterIdError} when its file cannot be read, or names a cluster that was founded with other
   *   flags
   */
  static async open(place: ClusterIdPlace): Promise<ClusterId> {
    const { fileSystem, directory, first } = place;
    const text = await readAtomicFile(fileSystem, { directory, name: CLUSTER_ID_NAME });
    const id = new ClusterId(place, text === undefined ? first : parse(text, directory));
    if (half(id.#value) === half(first)) return id;
    throw new ClusterIdError(
      `"${CLUSTER_ID_NAME}" in "${directory}" names cluster ${id.#value}, "identity.json" cluster ${first}: ` +
        "restore the files, or use an empty directory and a new node id",
    );
  }

  /** As peers are told: whole, or with zeros while it is not settled. */
  get value(): string {
    return this.#value;
  }

  /** As clients are told: empty while it is not settled. */
  get settledValue(): string {
    return this.isSettled ? this.#value : "";
  }

  /** Whether it is whole, and durable here. */
  get isSettled(): boolean {
    return !isUndrawn(this.#value);
  }

  /** Resolves when it is settled. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  /** Whether a node that says `id` may be of this cluster, as far as can be known. */
  matches(id: string): boolean {
    if (id === this.#value) return true;
    if (this.isSettled && !isUndrawn(id)) return false;
    return WHOLE_ID.test(id) && half(id) === half(this.#value);
  }

  /**
   * An id for a cluster that this node founds: its own once it is settled, else one with a half that is drawn
   * now.
   *
   * @param randomWord 32 bits that cannot be guessed
   */
  draw(randomWord: () => number = systemWord): string {
    if (this.isSettled) return this.#value;
    const words = [randomWord(), randomWord()];
    return half(this.#value) + words.map((word) => hex(word)).join("");
  }

  /**
   * Takes `id` for good; durable when it resolves. What fails may be tried again.
   *
   * @throws {ClusterIdError} when it is another cluster's
   */
  async settle(id: string): Promise<void> {
    if (!this.matches(id) || isUndrawn(id)) throw this.#foreign(id);
    if (!this.isSettled) {
      this.#saving ??= this.#save(id).finally(() => this.#saving = undefined);
      await this.#saving;
    }
    if (this.#value !== id) throw this.#foreign(id);
  }

  async #save(id: string): Promise<void> {
    const { fileSystem, directory } = this.#place;
    const text = `${JSON.stringify({ format: FORMAT, clusterId: id }, null, 2)}\n`;
    await writeAtomicFile(fileSystem, { directory, name: CLUSTER_ID_NAME, text });
    this.#value = id;
    this.#settled.resolve();
  }

  #foreign(id: string): ClusterIdError {
    return new ClusterIdError(
      `Cannot take cluster ${id} for the one of "${this.#place.directory}": that is ${this.#value}`,
    );
  }
}

function half(id: string): string {
  return id.slice(0, HALF_DIGITS);
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(WORD_DIGITS, "0");
}

function systemWord(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}

function parse(text: string, directory: string): string {
  const refuse = (why: string) =>
    new ClusterIdError(`Cannot read "${CLUSTER_ID_NAME}" in "${directory}": ${why}; restore the file`);
  let fields: { readonly format?: unknown; readonly clusterId?: unknown };
  try {
    fields = Object(JSON.parse(text));
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error));
  }
  const { format, clusterId } = fields;
  if (format !== FORMAT) throw refuse(`it has format ${format}, this version reads format ${FORMAT}`);
  const isWhole = typeof clusterId === "string" && WHOLE_ID.test(clusterId) && !isUndrawn(clusterId);
  if (!isWhole) throw refuse(`"clusterId" is ${JSON.stringify(clusterId)}`);
  return clusterId;
}
