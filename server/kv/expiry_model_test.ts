/**
 * The state machine against a reference with time, said as plainly as possible: a list of keys with the end
 * of each, gone through from the first to the last for every question.
 *
 * @module
 */

import { MemoryStore } from "../../tests/support/memory_store.ts";
import { assert, suite } from "../../tests/harness.ts";
import { drawnRandom, SeededRandom } from "../../tests/support/seeded_random.ts";
import { stateHash } from "../../tests/support/state_hash.ts";
import { encodeCommand, stampCommand } from "./command.ts";
import type { Outcome } from "./outcome.ts";
import { KvStateMachine } from "./state_machine.ts";
import type { Mutation, Precondition } from "./types.ts";

const test = suite("expiry model");
const random = drawnRandom("expiry model");
const RUNS = 40;
const COMMANDS = 400;
const NO_LIMITS = { keysMax: Infinity, bytesMax: Infinity };
const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface Row {
  value: string;
  version: number;
  /** Infinity for never. */
  endMs: number;
}

/** See the module comment. */
class Reference {
  rows = new Map<string, Row>();
  nowMs = 0;
  expired = 0;

  /** The row of a key that is there. */
  find(key: string): Row | undefined {
    const row = this.rows.get(key);
    return row !== undefined && row.endMs > this.nowMs ? row : undefined;
  }

  apply(index: number, { stampMs, mutations }: Step): Outcome {
    this.nowMs = Math.max(this.nowMs, stampMs);
    const failures = mutations.flatMap(({ key, precondition }, position) => {
      const currentVersion = this.find(decoder.decode(key))?.version ?? 0;
      return precondition === undefined || holds(precondition, currentVersion)
        ? []
        : [{ position, currentVersion }];
    });
    if (failures.length > 0) return { kind: "refused", failures };
    const before = { rows: structuredClone(this.rows), expired: this.expired };
    const outcome = this.#change(index, mutations);
    if (outcome.kind === "notNumbers") Object.assign(this, before);
    return outcome;
  }

  #change(version: number, mutations: readonly Mutation[]): Outcome {
    const existed: number[] = [];
    const numbers: { position: number; number: string }[] = [];
    const failures: { position: number; isOutOfRange: boolean }[] = [];
    mutations.forEach((mutation, position) => {
      const key = decoder.decode(mutation.key);
      const row = this.find(key);
      if (mutation.kind === "expire") {
        if (row === undefined && this.rows.delete(key)) this.expired++;
      } else if (mutation.kind === "delete") {
        if (row !== undefined) existed.push(position);
        this.rows.delete(key);
      } else if (mutation.kind === "put") {
        const endMs = mutation.ttlMs === 0 ? Infinity : this.nowMs + mutation.ttlMs;
        this.rows.set(key, { value: decoder.decode(mutation.value), version, endMs });
      } else if (row?.value === "text") failures.push({ position, isOutOfRange: false });
      else {
        const number = String(Number(row?.value ?? 0) + Number(mutation.by));
        const endMs = mutation.ttlMs === 0 ? row?.endMs ?? Infinity : this.nowMs + mutation.ttlMs;
        this.rows.set(key, { value: number, version, endMs });
        numbers.push({ position, number });
      }
    });
    if (failures.length > 0) return { kind: "notNumbers", failures };
    const hasNumbers = mutations.some(({ kind }) => kind === "increment");
    return { kind: "applied", version, existed, ...(hasNumbers ? { numbers } : {}) };
  }
}

interface Step {
  readonly stampMs: number;
  readonly mutations: readonly Mutation[];
}

function holds(precondition: Precondition, version: number): boolean {
  if (precondition.kind === "version") return version === precondition.version;
  return (version > 0) === (precondition.kind === "exists");
}

/** What random commands are made of: few keys and short times, so that keys end in every state they can. */
class Commands {
  readonly #random: SeededRandom;
  readonly #keys: readonly string[];
  readonly #reference: Reference;

  constructor(random: SeededRandom, reference: Reference) {
    this.#random = random;
    this.#reference = reference;
    this.#keys = Array.from({ length: random.pick([2, 8, 40]) }, (_, at) => `key-${"x".repeat(at % 5)}${at}`);
  }

  get keys(): readonly string[] {
    return this.#keys;
  }

  /** Leaders change, so that a stamp may be below the last one. */
  next(): Step {
    const stampMs = Math.max(0, this.#reference.nowMs + this.#random.below(14) - 4);
    const count = this.#random.pick([0, 1, 1, 1, 2, 5]);
    return { stampMs, mutations: Array.from({ length: count }, () => this.#mutation()) };
  }

  #mutation(): Mutation {
    const random = this.#random;
    const name = random.pick(this.#keys);
    const key = encoder.encode(name);
    const ttlMs = random.chance(60) ? 1 + random.below(40) : 0;
    const precondition = random.chance(75) ? undefined : this.#precondition(name);
    const kind = random.pick(["put", "put", "delete", "increment", "increment", "expire", "expire"] as const);
    if (kind === "expire") return { kind, key };
    if (kind === "delete") return { kind, key, precondition };
    if (kind === "increment") return { kind, key, by: String(random.below(20) - 10), ttlMs, precondition };
    const value = encoder.encode(random.chance(20) ? "text" : String(random.below(1_000)));
    return { kind, key, value, ttlMs, precondition };
  }

  /** Of a version it often has, or had before it expired. */
  #precondition(name: string): Precondition {
    const version = this.#random.chance(30) ? 0 : this.#reference.rows.get(name)?.version ?? 0;
    return this.#random.pick([{ kind: "absent" }, { kind: "exists" }, { kind: "version", version }] as const);
  }
}

test("every outcome, every read and every figure is that of the reference", () => {
  const outcomes = new Set<string>();
  let expired = 0;
  for (let run = 0; run < RUNS; run++) expired += agree(new SeededRandom(random.word()), outcomes);
  assert.equal([...outcomes].sort(), ["applied", "notNumbers", "refused"]);
  assert.ok(expired > RUNS * 10, `${expired} keys were removed by expires: the commands do not try much`);
});

/** Returns how many keys expires have removed. */
function agree(random: SeededRandom, outcomes: Set<string>): number {
  const [reference, machine, replica] = [
    new Reference(),
    new KvStateMachine(new MemoryStore()),
    new KvStateMachine(new MemoryStore()),
  ];
  const emptyBytes = machine.memoryBytes;
  const commands = new Commands(random, reference);
  for (let index = 1; index <= COMMANDS; index++) {
    const step = commands.next();
    const bytes = encodeCommand(step.mutations, undefined);
    stampCommand(bytes, step.stampMs);
    const outcome = machine.apply(index, bytes);
    assert.equal(outcome, reference.apply(index, step));
    outcomes.add(outcome.kind);
    assert.equal(replica.apply(index, bytes), outcome);
    agreeOnState({ machine, reference, keys: commands.keys, random });
    assert.is(stateHash(replica), stateHash(machine));
  }
  removeAll(machine, COMMANDS + 1);
  assert.is(machine.memoryBytes, emptyBytes, "nothing is left behind");
  assert.is(machine.stateBytes, 0);
  return reference.expired;
}

interface Compared {
  readonly machine: KvStateMachine;
  readonly reference: Reference;
  readonly keys: readonly string[];
  readonly random: SeededRandom;
}

function agreeOnState({ machine, reference, keys, random }: Compared): void {
  assert.is(machine.timeMs, reference.nowMs);
  assert.is(machine.expired, reference.expired);
  for (const key of keys) {
    const row = reference.find(key);
    const item = machine.get(encoder.encode(key));
    assert.is(item && decoder.decode(item.value), row?.value);
    assert.is(item?.version, row?.version);
    const endMs = row === undefined || row.endMs === Infinity ? undefined : row.endMs;
    assert.is(machine.expiresAtMs(encoder.encode(key)), endMs);
  }
  const rows = [...reference.rows];
  assert.is(machine.keyCount, rows.length);
  const earliestMs = Math.min(Infinity, ...rows.map(([, { endMs }]) => endMs));
  assert.is(machine.earliestExpiryMs, earliestMs === Infinity ? undefined : earliestMs);
  agreeOnDue(machine, reference, reference.nowMs + random.below(40) - 10);
}

/** Keys of the same time may come in any order. */
function agreeOnDue(machine: KvStateMachine, reference: Reference, nowMs: number): void {
  const due = [...reference.rows].filter(([, { endMs }]) => endMs <= nowMs);
  const found = machine.expiredKeys(nowMs, NO_LIMITS).map((key) => decoder.decode(key));
  assert.equal([...found].sort(), due.map(([key]) => key).sort());
  const ends = found.map((key) => reference.rows.get(key)!.endMs);
  assert.equal(ends, [...ends].sort((a, b) => a - b));
}

function removeAll(machine: KvStateMachine, index: number): void {
  const keys = [...machine.entries()].map(([key]) => encoder.encode(key));
  const mutations = keys.map((key): Mutation => ({ kind: "delete", key, precondition: undefined }));
  machine.apply(index, encodeCommand(mutations, undefined));
}

test.run();
