/**
 * The recorder against a client that answers as told: what is written down, and what errors are taken for.
 *
 * @module
 */

import { PreconditionError, PrkDbError } from "../../../client/transport/error.ts";
import { assert, assertRejects, suite } from "../../harness.ts";
import { checkLinearizable } from "../../linearizability/checker.ts";
import { HistoryRecorder, outcomeOfError, type RecordableClient } from "./history.ts";

const test = suite("history recorder");

test("calls are written down with their answers, in order, at different times", async () => {
  const recorder = new HistoryRecorder(() => 5);
  const client = recorder.client(3, mapClient());
  await client.put("k", "a", { condition: { kind: "absent" } });
  await client.get("k");
  await client.delete("k", { condition: { kind: "version", version: 1 } });
  await client.putMany(new Map([["k", "b"], ["l", "c"]]));
  await client.getMany(["k", "m"]);
  const history = recorder.history();
  assert.equal(history.map(({ key, action, outcome }) => [key, action.kind, outcome]), [
    ["k", "put", { kind: "written", version: 1 }],
    ["k", "get", { kind: "found", value: "a", version: 1 }],
    ["k", "delete", { kind: "deleted", existed: true, version: 2 }],
    ["k", "put", { kind: "written", version: 3 }],
    ["l", "put", { kind: "written", version: 4 }],
    ["k", "get", { kind: "found", value: "b" }],
    ["m", "get", { kind: "absent" }],
  ]);
  const times = history.flatMap(({ invokedAt, returnedAt }) => [invokedAt, returnedAt]);
  assert.is(new Set(times).size, times.length);
  assert.ok(history.every(({ client, invokedAt, returnedAt }) => client === 3 && invokedAt < returnedAt));
  assert.is(checkLinearizable(history).kind, "linearizable");
});

test("a call under way is open, and closed once it is answered", async () => {
  const answer = Promise.withResolvers<{ version: number }>();
  const recorder = new HistoryRecorder(() => 0);
  const put = recorder.client(1, { ...mapClient(), put: () => answer.promise }).put("k", "a");
  assert.is(recorder.history()[0]?.outcome.kind, "unknown");
  answer.resolve({ version: 9 });
  await put;
  assert.is(recorder.history()[0]?.outcome.kind, "written");
});

test("reads that may be old are kept apart", async () => {
  const recorder = new HistoryRecorder(() => 0);
  const client = recorder.client(1, mapClient());
  await client.put("k", "a");
  await client.getStale("k", { maxStalenessMs: 50 });
  await client.getStale("none");
  assert.is(recorder.history().length, 1);
  assert.equal(recorder.staleReads().map(({ reading, bound }) => [reading, bound]), [
    [{ kind: "found", value: "a", version: 1 }, 50],
    [{ kind: "absent" }, Infinity],
  ]);
});

test("an error leaves a write open unless it speaks for all attempts", async () => {
  for (
    const code of ["unavailable", "aborted", "deadline_exceeded", "resource_exhausted", "internal"] as const
  ) {
    assert.is(outcomeOfError(new PrkDbError(code, "")).kind, "unknown", code);
  }
  for (const code of ["invalid_argument", "permission_denied", "closed"] as const) {
    assert.is(outcomeOfError(new PrkDbError(code, "")).kind, "failed", code);
  }
  assert.equal(outcomeOfError(new PreconditionError("", 7)), { kind: "refused", currentVersion: 7 });
  assert.equal(outcomeOfError(new PreconditionError("", undefined)), { kind: "failed" });
  assert.is(outcomeOfError(new DOMException("", "AbortError")).kind, "unknown");
  const recorder = new HistoryRecorder(() => 0);
  const mistaken = { ...mapClient(), put: () => Promise.reject(new RangeError("too long")) };
  await assertRejects(
    () => recorder.client(1, mistaken).put("k", "a"),
    (error) => error instanceof RangeError,
  );
});

/** A client of a map; conditions are taken to hold. */
function mapClient(): RecordableClient {
  const values = new Map<unknown, { value: Uint8Array; version: number; expiresAtMs: undefined }>();
  let version = 0;
  const put = (key: unknown, value: string) => {
    values.set(key, { value: new TextEncoder().encode(value), version: ++version, expiresAtMs: undefined });
    return { kind: "applied", version, existed: false } as const;
  };
  return {
    put: (key, value) => Promise.resolve(put(key, String(value))),
    delete: (key) => Promise.resolve({ existed: values.delete(key), version: ++version }),
    getEntry: (key) => Promise.resolve(values.get(key)),
    getMany: (keys) => Promise.resolve(keys.map((key) => values.get(key)?.value)),
    writeBatch: (mutations) =>
      Promise.resolve(
        mutations.map((mutation) => put(mutation.key, mutation.kind === "put" ? String(mutation.value) : "")),
      ),
  };
}

test.run();
