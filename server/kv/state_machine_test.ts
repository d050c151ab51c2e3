/**
 * What commands do to a partition, and how often.
 *
 * @module
 */

import { MemoryStore } from "../../tests/support/memory_store.ts";
import { assert, suite } from "../../tests/harness.ts";
import { STORE_VALUE_BYTES_MAX } from "../storage/table/mod.ts";
import { encodeCommand, stampCommand } from "./command.ts";
import { decodeOutcome, encodeOutcome, type Outcome } from "./outcome.ts";
import { SESSION_AGE_MS_MAX, SESSION_RESULTS_MAX, Sessions, SESSIONS_MAX } from "./session.ts";
import { stateHash } from "../../tests/support/state_hash.ts";
import { KvStateMachine } from "./state_machine.ts";
import { rowKey, SESSION_ROWS } from "./state_store.ts";
import type { Mutation, Precondition, RequestId } from "./types.ts";

const test = suite("state machine");
const bytes = (text: string) => new TextEncoder().encode(text);

function put(key: string, value: string, precondition?: Precondition): Mutation {
  return { kind: "put", key: bytes(key), value: bytes(value), ttlMs: 0, precondition };
}

function remove(key: string, precondition?: Precondition): Mutation {
  return { kind: "delete", key: bytes(key), precondition };
}

function request(sequence: number, acknowledgedBelow = 0, clientId = "00000000000000aa"): RequestId {
  return { clientId, sequence, acknowledgedBelow };
}

/** A machine with a counter for indexes. */
class Script {
  readonly machine = new KvStateMachine(new MemoryStore());
  #index = 0;

  run(mutations: readonly Mutation[], requestId?: RequestId, timeMs = 0): Outcome {
    const command = encodeCommand(mutations, requestId);
    stampCommand(command, timeMs);
    return this.machine.apply(++this.#index, command);
  }

  text(key: string): string | undefined {
    const item = this.machine.get(bytes(key));
    return item === undefined ? undefined : new TextDecoder().decode(item.value);
  }
}

test("puts and deletes, with the entry's index as version", () => {
  const script = new Script();
  assert.equal(script.run([put("a", "1"), put("b", "2")]), { kind: "applied", version: 1, existed: [] });
  assert.equal(script.machine.get(bytes("b")), { value: bytes("2"), version: 1 });
  assert.equal(script.run([remove("a"), remove("x"), put("a", "3"), remove("a")]), {
    kind: "applied",
    version: 2,
    existed: [0, 3],
  });
  assert.is(script.text("a"), undefined);
  assert.is(script.machine.keyCount, 1);
  assert.is(script.machine.stateBytes, 2);
});

test("an empty value is a value", () => {
  const script = new Script();
  script.run([put("a", "")]);
  assert.is(script.text("a"), "");
});

test("a failed precondition keeps the whole command from taking effect", () => {
  const script = new Script();
  script.run([put("a", "1")]);
  const outcome = script.run([
    put("b", "2"),
    put("a", "x", { kind: "absent" }),
    remove("a", { kind: "version", version: 9 }),
  ]);
  assert.equal(outcome, {
    kind: "refused",
    failures: [{ position: 1, currentVersion: 1 }, { position: 2, currentVersion: 1 }],
  });
  assert.is(script.text("b"), undefined);
  assert.is(script.text("a"), "1");
});

test("version 0 means absent", () => {
  const script = new Script();
  assert.is(script.run([put("a", "1", { kind: "version", version: 0 })]).kind, "applied");
  assert.is(script.run([put("a", "2", { kind: "version", version: 0 })]).kind, "refused");
  assert.is(script.run([put("a", "2", { kind: "version", version: 1 })]).kind, "applied");
});

test("a retried write takes effect once and hears the first outcome", () => {
  const script = new Script();
  const first = script.run([put("a", "1", { kind: "absent" })], request(1));
  script.run([put("a", "2")], request(2));
  assert.equal(script.run([put("a", "1", { kind: "absent" })], request(1)), first);
  assert.is(script.text("a"), "2");
});

test("a copy that arrives after its acknowledgement is not applied again", () => {
  const script = new Script();
  script.run([put("a", "1")], request(1));
  script.run([put("a", "2")], request(2, 2));
  assert.equal(script.run([put("a", "1")], request(1)), { kind: "forgotten" });
  assert.is(script.text("a"), "2");
});

test("clients do not share sequences", () => {
  const script = new Script();
  script.run([put("a", "1")], request(1, 0, "000000000000000a"));
  assert.is(script.run([put("a", "2")], request(1, 0, "000000000000000b")).kind, "applied");
  assert.is(script.text("a"), "2");
});

test("sessions stay bounded by clients, results and age", () => {
  const sessions = new Sessions();
  const outcome: Outcome = { kind: "applied", version: 1, existed: [] };
  const client = (id: number) => id.toString(16).padStart(16, "0");
  for (let id = 1; id <= SESSIONS_MAX + 10; id++) sessions.remember(request(1, 0, client(id)), outcome, 0);
  assert.is(sessions.size, SESSIONS_MAX);
  assert.is(sessions.find(request(1, 0, client(1))), undefined);
  sessions.remember(request(1, 0, client(1)), outcome, SESSION_AGE_MS_MAX + 1);
  assert.is(sessions.size, 1);
  for (let at = 2; at <= SESSION_RESULTS_MAX + 5; at++) {
    sessions.remember(request(at, 0, client(1)), outcome, SESSION_AGE_MS_MAX + 1);
  }
  assert.is([...sessions.entries()].length, SESSION_RESULTS_MAX);
  assert.equal(sessions.find(request(1, 0, client(1))), { kind: "forgotten" });
});

test("a session fits into a row, however much its client does not acknowledge", () => {
  const large: readonly Outcome[] = [
    { kind: "applied", version: 2 ** 53 - 1, existed: Array.from({ length: 10_000 }, (_, at) => at) },
    {
      kind: "applied",
      version: 2 ** 53 - 1,
      existed: [],
      numbers: Array.from({ length: 10_000 }, (_, at) => ({ position: at, number: "-1234567890123456789" })),
    },
    {
      kind: "refused",
      failures: Array.from({ length: 10_000 }, (_, at) => ({ position: at, currentVersion: 2 ** 53 - 1 })),
    },
    {
      kind: "notNumbers",
      failures: Array.from({ length: 10_000 }, (_, at) => ({ position: at, isOutOfRange: true })),
    },
  ];
  for (const outcome of large) {
    const sessions = new Sessions();
    for (let at = 1; at <= 700; at++) sessions.remember(request(at), outcome, 0);
    const value = sessions.takeUnsaved(1)[0]!.value!;
    assert.ok(value.length <= STORE_VALUE_BYTES_MAX, `${outcome.kind}: ${value.length} bytes`);
    assert.ok(value.length > 3 * 1024 * 1024, `${outcome.kind}: no more than ${value.length} bytes`);
    assert.equal(sessions.find(request(1)), { kind: "forgotten" });
    assert.is(sessions.find(request(700)), outcome);
    // What is read again is bounded alike.
    const store = new MemoryStore();
    store.write([{ key: rowKey(SESSION_ROWS, Uint8Array.fromHex("00000000000000aa")), value }], 1);
    const pieces = Sessions.restoring(store.rows(SESSION_ROWS));
    let piece = pieces.next();
    while (piece.done !== true) piece = pieces.next();
    const restored = piece.value;
    for (const each of [sessions, restored]) each.remember(request(701), outcome, 0);
    assert.is([...restored.entries()].length, [...sessions.entries()].length);
  }
});

test("outcomes come back as they were", () => {
  const outcomes: readonly Outcome[] = [
    { kind: "applied", version: 2 ** 53 - 1, existed: [0, 5, 9_999] },
    { kind: "refused", failures: [{ position: 3, currentVersion: 0 }, { position: 4, currentVersion: 77 }] },
    { kind: "forgotten" },
  ];
  for (const outcome of outcomes) assert.equal(decodeOutcome(encodeOutcome(outcome)), outcome);
});

test("entries are applied once, in order", () => {
  const machine = new KvStateMachine(new MemoryStore());
  machine.skip(5);
  assert.throws(() => machine.apply(5, encodeCommand([put("a", "1")], undefined)), /again/);
});

test("the state hash sees values, versions, deletes and sessions", () => {
  const run = (commands: readonly (readonly Mutation[])[], requestId?: RequestId) => {
    const script = new Script();
    for (const mutations of commands) script.run(mutations, requestId);
    return stateHash(script.machine);
  };
  const base = run([[put("a", "1")], [put("b", "2")]]);
  assert.is(run([[put("a", "1")], [put("b", "2")]]), base);
  assert.is.not(run([[put("a", "1")], [put("b", "3")]]), base);
  assert.is.not(run([[put("b", "2")], [put("a", "1")]]), base, "versions differ");
  assert.is.not(run([[put("a", "1")], [put("c", "2")]]), base);
  const one = new Script();
  one.run([put("a", "1")]);
  const other = new Script();
  other.run([put("a", "1")], request(1));
  assert.is.not(stateHash(one.machine), stateHash(other.machine), "a remembered request shows");
});

test("a machine agrees with a plain map on random commands", () => {
  const script = new Script();
  const model = new Map<string, string>();
  let state = 99;
  const random = (below: number) => ((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 8) % below;
  for (let round = 0; round < 5_000; round++) {
    const key = `k${random(40)}`;
    if (random(4) === 0) {
      const outcome = script.run([remove(key)]);
      assert.ok(outcome.kind === "applied");
      assert.is(outcome.existed.length === 1, model.delete(key));
    } else {
      script.run([put(key, `${round}`)]);
      model.set(key, `${round}`);
    }
    assert.is(script.text(key), model.get(key));
  }
  assert.is(script.machine.keyCount, model.size);
  const expected = [...model].reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  assert.is(script.machine.stateBytes, expected);
});

test.run();
