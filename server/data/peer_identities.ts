/**
 * Which data directories the peers had when they were first met. A peer that comes back under its old id with
 * another one has lost its disk, and with it its votes and what it acknowledged: letting it in would let a
 * majority forget. It is refused, and told so.
 *
 * Kept in `peers.json` of this node's own directory, durable before a peer is let in for the first time. A
 * peer that cannot be saved is refused with the reason, and saving is tried again when it comes back, as
 * peers do.
 *
 * @module
 */

import type { NodeId } from "../../raft/mod.ts";
import type { FileSystem } from "../../wal-wasm/mod.ts";
import { readAtomicFile, writeAtomicFile } from "./atomic_file.ts";
import type { Troubles } from "./troubles.ts";

const REGISTER_NAME = "peers.json";

/** The register cannot be read; the message names the file. */
export class PeerIdentitiesError extends Error {
  override readonly name = "PeerIdentitiesError";
}

/** Where the register is, and where it says that it cannot be saved. */
export interface IdentitiesPlace {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  readonly troubles: Troubles;
}

/** See the module comment. */
export class PeerIdentities {
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  readonly #troubles: Troubles;
  /** Durable. */
  readonly #known: Map<NodeId, string>;
  /** Ends when nothing is being saved; it never rejects. */
  #saving: Promise<unknown> = Promise.resolve();

  private constructor(place: IdentitiesPlace, known: Map<NodeId, string>) {
    this.#fileSystem = place.fileSystem;
    this.#directory = place.directory;
    this.#troubles = place.troubles;
    this.#known = known;
  }

  /**
   * Reads the register.
   *
   * @throws {PeerIdentitiesError} when there is one that cannot be read
   */
  static async open(place: IdentitiesPlace): Promise<PeerIdentities> {
    const { fileSystem, directory } = place;
    const text = await readAtomicFile(fileSystem, { directory, name: REGISTER_NAME });
    return new PeerIdentities(place, text === undefined ? new Map() : parse(text, directory));
  }

  /** The incarnation `peer` had when it was first met, empty if it never was. */
  expected(peer: NodeId): string {
    return this.#known.get(peer) ?? "";
  }

  /**
   * Whether `peer` has the data directory it had when it was first met; a new one is remembered durably
   * first.
   *
   * @throws {Error} when it cannot be remembered now, and why: to be asked again later
   */
  async recognizes(peer: NodeId, incarnation: string): Promise<boolean> {
    if (!this.#known.has(peer)) {
      const saved = this.#saving.then(() => this.#meet(peer, incarnation));
      this.#saving = saved.catch(() => {});
      await saved;
    }
    return this.#known.get(peer) === incarnation;
  }

  /** One peer after the other, as each writes the whole register. */
  async #meet(peer: NodeId, incarnation: string): Promise<void> {
    if (this.#known.has(peer)) return;
    try {
      await this.#save(new Map([...this.#known, [peer, incarnation]]));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const reason =
        `Cannot save "${REGISTER_NAME}" in "${this.#directory}", so that node ${peer} cannot be ` +
        `let in: ${why}; it is tried again when the node connects again`;
      this.#troubles.note("peers_file", reason);
      throw new Error(reason, { cause: error });
    }
    this.#known.set(peer, incarnation);
    this.#troubles.note("peers_file", undefined);
  }

  #save(register: ReadonlyMap<NodeId, string>): Promise<void> {
    const text = `${JSON.stringify(Object.fromEntries(register), null, 2)}\n`;
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
