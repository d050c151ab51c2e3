/**
 * What a leader does so that keys which have expired give back their memory: it proposes commands that remove
 * them, a bounded number at a time, so that everybody applies the removal at the same entry. Nobody sees the
 * difference; a key that was written anew meanwhile stays (`server/kv/state_machine.ts`).
 *
 * It looks at every tick of the node, at groups that have fallen quiet, too, and where more is due than one
 * command takes, again as soon as that is applied: keys may be written as fast as the disk takes them. A node
 * that is full goes on removing when it takes nothing else from clients any more.
 *
 * @module
 */

import type { GroupId } from "../../raft/mod.ts";
import type { CallDispatcher, EntryPlace, HostedReplica, WriteGate } from "../calls/mod.ts";
import { encodeExpireCommand } from "../kv/mod.ts";
import type { Clock } from "../ports/mod.ts";

/** Of one command. Applying it takes a millisecond or so, and calls wait meanwhile. */
const KEYS_MAX = 1_000;
const KEY_BYTES_MAX = 512 * 1024;

/** What it works with. */
export interface RemovalOptions {
  readonly clock: Clock;
  readonly dispatcher: CallDispatcher;
  readonly gate: WriteGate;
  /** On this node, by group. */
  readonly replicas: ReadonlyMap<GroupId, HostedReplica>;
}

/** See the module comment. */
export class Removal {
  readonly #options: RemovalOptions;
  /** The last command of each group; the next one would name the same keys until it is applied. */
  readonly #last = new Map<GroupId, EntryPlace>();
  /** Where there may be more to remove when the last command is applied. */
  readonly #busy = new Set<HostedReplica>();

  constructor(options: RemovalOptions) {
    this.#options = options;
  }

  /** Proposes what is due; called at every tick. */
  tick(): void {
    for (const replica of this.#options.replicas.values()) {
      if (replica.role === "leader" && replica.machine.earliestExpiryMs !== undefined) this.#look(replica);
    }
  }

  /** Goes on where a command has been applied; called in every turn. */
  goOn(): void {
    for (const replica of this.#busy) {
      const last = this.#last.get(replica.group);
      if (last !== undefined && replica.isUnderWay(last)) continue;
      this.#busy.delete(replica);
      if (replica.role === "leader" && replica.machine.earliestExpiryMs !== undefined) this.#look(replica);
    }
  }

  #look(replica: HostedReplica): void {
    const { group, machine } = replica;
    const nowMs = replica.stampMs(this.#options.clock.monotonicMs());
    if (machine.earliestExpiryMs! > nowMs) return;
    const last = this.#last.get(group);
    if (last !== undefined && replica.isUnderWay(last)) return;
    const command = this.#commandFor(
      machine.expiredKeys(nowMs, { keysMax: KEYS_MAX, bytesMax: KEY_BYTES_MAX }),
    );
    if (command === undefined) return;
    const result = this.#options.dispatcher.propose(replica, command);
    // What is refused is looked at again at the next tick.
    if (!result.accepted) return;
    this.#last.set(group, result);
    this.#busy.add(replica);
  }

  /** For as many of `keys`, from the first on, as the log takes in one entry. */
  #commandFor(keys: readonly Uint8Array[]): Uint8Array | undefined {
    const { gate } = this.#options;
    for (let count = keys.length; count > 0; count = Math.floor(count / 2)) {
      const command = encodeExpireCommand(keys.slice(0, count));
      if (command.length <= gate.commandBytesMax) return command;
    }
    return undefined;
  }
}
