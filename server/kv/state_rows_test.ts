/**
 * That the rows of a state, read again, are the whole state: a machine that is made of them goes on like the
 * one that wrote them.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { MemoryStore } from "../../tests/support/memory_store.ts";
import { drawnRandom, SeededRandom } from "../../tests/support/seeded_random.ts";
import { stateHash } from "../../tests/support/state_hash.ts";
import { encodeCommand, stampCommand } from "./command.ts";
import { KvStateMachine } from "./state_machine.ts";
import { TIME_ROW } from "./state_store.ts";
import type { Mutation, RequestId } from "./types.ts";

const test = suite("rows of a state");
const random = drawnRandom("rows of a state");
const RUNS = 60;
const COMMANDS = 300;
/** Old sessions are forgotten within a run. */
const STEP_MS_MAX = 30_000;
const encoder = new TextEncoder();

test("what is read from the rows goes on like what wrote them, sessions and times included", () => {
  for (let run = 0; run < RUNS; run++) {
    const writer = new Writer(random.word());
    let machine = new KvStateMachine(writer.store);
    const twin = new KvStateMachine(new MemoryStore());
    for (let index = 1; index <= COMMANDS; index++) {
      const command = writer.command();
      assert.equal(machine.apply(index, command), twin.apply(index, command.slice()));
      if (!writer.random.chance(5)) continue;
      machine = restoredFrom(machine, writer);
      assert.is(stateHash(machine), stateHash(twin));
      assert.is(machine.keyCount, [...twin.entries()].length);
    }
  }
});

test("sessions are handed out in parts, and those that changed since come again", () => {
  const machine = new KvStateMachine(new MemoryStore());
  const put: Mutation = {
    kind: "put",
    key: bytes("a"),
    value: bytes("1"),
    ttlMs: 0,
    precondition: undefined,
  };
  for (let client = 1; client <= 5; client++) {
    machine.apply(client, encodeCommand([put], requestOf({ client, sequence: 1 })));
  }
  assert.is(machine.unsavedCount, 5);
  assert.is(machine.takeUnsaved(3).length, 1 + 3);
  assert.is(machine.unsavedCount, 2);
  machine.apply(6, encodeCommand([put], requestOf({ client: 1, sequence: 2 })));
  assert.is(machine.unsavedCount, 3);
  assert.is(machine.takeUnsaved(Infinity).length, 1 + 3);
  assert.is(machine.unsavedCount, 0);
});

test("a delete of what is not there writes no row", () => {
  const store = new MemoryStore();
  const machine = new KvStateMachine(store);
  machine.apply(1, encodeCommand([{ kind: "delete", key: bytes("a"), precondition: undefined }], undefined));
  assert.is(store.rowCount, 0);
});

test("rows of another format are refused", () => {
  const store = new MemoryStore();
  store.write([{ key: TIME_ROW, value: Uint8Array.of(2, 0) }], 1);
  assert.throws(() => new KvStateMachine(store).restore(1), /time of format 2/);
  const other = new MemoryStore();
  other.write([{ key: Uint8Array.of(0, 0x73, 1, 2, 3, 4, 5, 6, 7, 8), value: Uint8Array.of(9) }], 1);
  assert.throws(() => new KvStateMachine(other).restore(1), /session of format 9/);
});

/** Writes what the machine has in memory, in parts, and makes another one of the rows. */
function restoredFrom(machine: KvStateMachine, { random: own, store }: Writer): KvStateMachine {
  while (machine.unsavedCount > 0) {
    store.write(machine.takeUnsaved(1 + own.below(4)), machine.appliedIndex);
  }
  store.write(machine.takeUnsaved(Infinity), machine.appliedIndex);
  const restored = new KvStateMachine(store);
  restored.restore(machine.appliedIndex);
  return restored;
}

/** Random commands of a few clients, some of which repeat themselves. */
class Writer {
  readonly random: SeededRandom;
  readonly store = new MemoryStore();
  readonly #sequences = new Map<number, number>();
  #timeMs = 0;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
  }

  command(): Uint8Array {
    const { random } = this;
    this.#timeMs += random.below(STEP_MS_MAX);
    const mutations = Array.from({ length: 1 + random.below(3) }, () => this.#mutation());
    const requestId = random.chance(70) ? this.#requestId() : undefined;
    const command = encodeCommand(mutations, requestId);
    stampCommand(command, this.#timeMs);
    return command;
  }

  #requestId(): RequestId {
    const client = 1 + this.random.below(6);
    const last = this.#sequences.get(client) ?? 0;
    const sequence = last > 0 && this.random.chance(30) ? last : last + 1;
    this.#sequences.set(client, sequence);
    return requestOf({ client, sequence, acknowledgedBelow: this.random.below(sequence + 1) });
  }

  #mutation(): Mutation {
    const { random } = this;
    const key = bytes(`k${random.below(12)}`);
    const ttlMs = random.chance(40) ? 1 + random.below(5 * STEP_MS_MAX) : 0;
    switch (random.below(4)) {
      case 0:
        return { kind: "delete", key, precondition: undefined };
      case 1:
        return { kind: "increment", key, by: "1", ttlMs, precondition: undefined };
      case 2:
        return { kind: "expire", key };
      default: {
        const precondition = random.chance(20) ? { kind: "absent" } as const : undefined;
        return { kind: "put", key, value: bytes(String(random.below(100))), ttlMs, precondition };
      }
    }
  }
}

/** A request of one of a few clients. */
interface Request {
  readonly client: number;
  readonly sequence: number;
  readonly acknowledgedBelow?: number;
}

function requestOf({ client, sequence, acknowledgedBelow = 0 }: Request): RequestId {
  return { clientId: client.toString(16).padStart(16, "0"), sequence, acknowledgedBelow };
}

function bytes(text: string): Uint8Array {
  return encoder.encode(text);
}

test.run();
