/**
 * One `AbortSignal` for many calls: it has one listener, and every call ends by it.
 *
 * @module
 */

import { onAbort, orAborted } from "../../client/transport/mod.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import { inCluster } from "./in_cluster.ts";

const test = suite("signals");

/** A signal that counts the listeners it has. */
class CountedSignal {
  readonly controller = new AbortController();
  listeners = 0;
  listenersMax = 0;

  constructor() {
    const { signal } = this.controller;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      this.listenersMax = Math.max(this.listenersMax, ++this.listeners);
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      this.listeners--;
      remove(...args);
    };
  }
}

test("thousands of calls put one listener on their common signal, and leave none behind", () =>
  inCluster(async (_, client) => {
    const counted = new CountedSignal();
    const { signal } = counted.controller;
    const keys = Array.from({ length: 8_000 }, (_, number) => `key-${number}`);
    await Promise.all(keys.map((key) => client.put(key, "x", { signal })));
    assert.is(counted.listenersMax, 1);
    assert.is(counted.listeners, 0);
  }));

test("all calls under a signal end with its reason", () =>
  inCluster(async (cluster, client) => {
    cluster.fault = () => ({ kind: "hang" });
    const controller = new AbortController();
    const reason = new Error("enough");
    const calls = Array.from({ length: 50 }, (_, number) =>
      client.get(`${number}`, { signal: controller.signal }));
    controller.abort(reason);
    const settled = await Promise.allSettled(calls);
    assert.ok(settled.every((each) =>
      each.status === "rejected" && each.reason === reason
    ));
  }));

test("what was taken back is not called, the rest once and in order", () => {
  const controller = new AbortController();
  const heard: number[] = [];
  const stops = [1, 2, 3].map((number) => onAbort(controller.signal, () => heard.push(number)));
  stops[1]!();
  stops[1]!();
  controller.abort();
  assert.equal(heard, [1, 3]);
  stops[0]!();
});

test("a callback may take others back, and a signal that nobody waits for any more can be waited for again", () => {
  const controller = new AbortController();
  const heard: string[] = [];
  onAbort(controller.signal, () => heard.push("gone"))();
  onAbort(controller.signal, () => {
    heard.push("first");
    stop();
  });
  const stop = onAbort(controller.signal, () => heard.push("second"));
  controller.abort();
  assert.equal(heard, ["first"]);
});

test("a promise or its signal, whichever is first", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  assert.is(await orAborted(Promise.resolve(1), signal), 1);
  const pending = orAborted(new Promise(() => {}), signal);
  controller.abort(new Error("stop"));
  await assertRejects(() => pending, (error) => error.message === "stop");
  // What the promise comes to later disturbs nobody.
  await assertRejects(() => orAborted(Promise.reject(new Error("late")), signal));
});

test.run();
