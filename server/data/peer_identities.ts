/**
 * Which data directories the peers had when they were first met. A peer that comes back under its old id with
 * another one has lost its disk, and with it its votes and what it acknowledged: letting it in would let a
 * majority forget. It is refused, and told so.
 *
 * Kept in `peers.json` of this node's own directory, durable before a peer is let in for the first time.
 *
 * @module
 */

import type { NodeId } from "../../raft/mod.ts";
import type { FileSystem } from "../../wal-wasm/mod.ts";
import { readAtomicFile, writeAtomicFile } from "./atomic_file.ts";

const REGISTER_NAME = "peers.json";

/** The register cannot be read; the message names the file. */
export class PeerIdentitiesError extends Error {
  override readonly name = "PeerIdentitiesError";
}

/** See the module comment. */
export class PeerIdentities {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #known: Map<NodeId, string>;
  #saved: Promise<void> = Promise.resolve();

  private constructor(fileSystem: FileSystem, directory: string, known: Map<NodeId, string>) {
    this.#fileSystem = fileSystem;
    this.#directory = directory;
    this.#known = known;
  }

  /**
   * Reads the register of `directory`.
   *
   * @throws {PeerIdentitiesError} when there is one that cannot be read
   */
  static async open(fileSystem: FileSystem, directory: string): Promise<PeerIdentities> {
    const text = await readAtomicFile(fileSystem, { directory, name: REGISTER_NAME });
    return new PeerIdentities(fileSystem, directory, text === undefined ? new Map() : parse(text, directory));
  }

  /** The incarnation `peer` had when it was first met, empty if it never was. */
  expected(peer: NodeId): string {
    return this.#known.get(peer) ?? "";
  }

  /**
   * Whether `peer` has the data directory it had when it was first met; a new one is remembered durably
   * first.
   */
  async recognizes(peer: NodeId, incarnation: string): Promise<boolean> {
    const known = this.#known.get(peer);
    if (known === undefined) {
      this.#known.set(peer, incarnation);
      this.#saved = this.#saved.then(() => this.#save());
    }
    await this.#saved;
    return this.#known.get(peer) === incarnation;
  }

  #save(): Promise<void> {
    const text = `${JSON.stringify(Object.fromEntries(this.#known), null, 2)}\n`;
    return writeAtomicFile(this.#fileSystem, { directory: this.#directory, name: REGISTER_NAME, text });
  }
}

function parse(text: string, directory: string): Map<NodeId, string> {
  try {
    const entries = Object.entries(JSON.parse(text)).map(([id, incarnation]) => {
      if (!(Number(id) > 0) || typeof incarnation !== "string") {
        throw new RangeError(`"${id}" is ${incarnation}`);
      }
      return [Number(id), incarnation] as const;
    });
    return new Map(entries);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new PeerIdentitiesError(`Cannot read "${REGISTER_NAME}" in "${directory}": ${why}`);
  }
}
