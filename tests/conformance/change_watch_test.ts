/**
 * `WatchChanges` over real sockets, HTTP/1.1 and HTTP/2: what is sent and in which order, what a slow reader
 * gets, and that nothing of a watch is left when its caller has gone or the node stops.
 *
 * @module
 */

import {
  create,
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonValue,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import { ClusterService, WatchChangesRequestSchema, WatchChangesResponseSchema } from "../../proto/mod.ts";
import type { ClusterChange } from "../../server/cluster/mod.ts";
import { CHANGE_WATCHERS_MAX } from "../../server/rpc/cluster/watch_changes.ts";
import { assert, suite } from "../harness.ts";
import { OwnPort } from "../support/own_port.ts";
import { handler, router } from "./asking.ts";
import { envelope, pathOf } from "./callers.ts";
import { bytes } from "./case.ts";
import { FakeNode } from "./fake_node.ts";

const test = suite("change watch");
const PATH = pathOf(ClusterService.method.watchChanges);
const BINARY = "application/connect+proto";
const HEADER_BYTES = 5;
const http2 = Deno.createHttpClient({ http1: false, http2: true });
test.after(() => http2.close());

/** One envelope of an answer. */
interface Envelope {
  readonly flags: number;
  readonly body: Uint8Array;
}

function change(changeId: string, more: Partial<ClusterChange> = {}): ClusterChange {
  const request = { kind: "rebalance" } as const;
  const description = "rebalance";
  return { changeId, request, description, done: 0, total: 0, isFinished: false, error: "", ...more };
}

/** A node behind a port, and a caller of it. */
class House {
  readonly node = new FakeNode();
  readonly closing = new AbortController();
  readonly noted: string[] = [];
  readonly #listener: OwnPort;

  constructor() {
    this.#listener = new OwnPort(router({
      node: this.node,
      requests: {
        observe: (method, code) => void this.noted.push(`${method} ${code}`),
        observeRefusal: () => {},
      },
      closing: this.closing.signal,
    }));
  }

  async watch(options: RequestInit & { readonly client?: Deno.HttpClient } = {}): Promise<Watch> {
    const response = await fetch(`http://${this.#listener.address}${PATH}`, {
      method: "POST",
      body: envelope(new Uint8Array(0)),
      ...options,
      headers: { "content-type": BINARY, ...options.headers as Record<string, string> },
    });
    return new Watch(response);
  }

  /** Resolves when so many listen; the test's limit ends a wait in vain. */
  async listeners(count: number): Promise<void> {
    while (this.node.listenerCount !== count) await new Promise((resolve) => setTimeout(resolve, 2));
  }

  async close(): Promise<void> {
    this.closing.abort();
    await this.#listener.close();
  }
}

/** An answer, read envelope by envelope. */
class Watch {
  readonly response: Response;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #held = new Uint8Array(0);

  constructor(response: Response) {
    this.response = response;
    this.#reader = response.body!.getReader();
  }

  /** The next one, `undefined` at the end. */
  async next(): Promise<Envelope | undefined> {
    for (;;) {
      const length = this.#held.length < HEADER_BYTES ? 0 : new DataView(this.#held.buffer).getUint32(1);
      const end = HEADER_BYTES + length;
      if (this.#held.length >= end) {
        const found = { flags: this.#held[0]!, body: this.#held.slice(HEADER_BYTES, end) };
        this.#held = this.#held.slice(end);
        return found;
      }
      const { done, value } = await this.#reader.read();
      if (done) return undefined;
      this.#held = Uint8Array.from([...this.#held, ...value]);
    }
  }

  /** The next message, as JSON. */
  async message(): Promise<JsonValue> {
    const { flags, body } = (await this.next())!;
    assert.is(flags, 0, new TextDecoder().decode(body));
    return toJson(WatchChangesResponseSchema as DescMessage, fromBinary(WatchChangesResponseSchema, body));
  }

  /** The error in the envelope that ends a Connect stream. */
  async error(): Promise<unknown> {
    const { flags, body } = (await this.next())!;
    assert.is(flags, 2);
    assert.is(await this.next(), undefined);
    return JSON.parse(new TextDecoder().decode(body)).error;
  }
}

async function inHouse(body: (house: House) => Promise<void>): Promise<void> {
  const house = new House();
  try {
    await body(house);
  } finally {
    await house.close();
  }
}

for (const [name, options] of [["HTTP/1.1", {}], ["HTTP/2", { client: http2 }]] as const) {
  test(`what is retained comes once, then every change of it (${name})`, () =>
    inHouse(async (house) => {
      const old = change("a", { done: 3, total: 3, isFinished: true });
      house.node.showChanges([old, change("b", { total: 2 })]);
      const watch = await house.watch(options);
      assert.is(watch.response.headers.get("content-type"), BINARY);
      assert.equal(await watch.message(), {
        changeId: "a",
        description: "rebalance",
        done: 3,
        total: 3,
        finished: true,
      });
      assert.equal(await watch.message(), { changeId: "b", description: "rebalance", total: 2 });
      house.node.showChanges([old, change("b", { done: 1, total: 2 })]);
      assert.equal(await watch.message(), { changeId: "b", description: "rebalance", done: 1, total: 2 });
      // The same once more is no news; what comes next proves that nothing was sent for it.
      house.node.showChanges([old, change("b", { done: 1, total: 2 })]);
      house.node.showChanges([
        change("b", { done: 1, total: 2, isFinished: true, error: "no" }),
        change("c"),
      ]);
      assert.equal(await watch.message(), {
        changeId: "b",
        description: "rebalance",
        done: 1,
        total: 2,
        finished: true,
        error: "no",
      });
      assert.equal(await watch.message(), { changeId: "c", description: "rebalance" });
      assert.equal(house.noted, ["WatchChanges ok"]);
    }));

  test(`an answer begins before there is anything to tell, and a caller who leaves is noticed (${name})`, () =>
    inHouse(async (house) => {
      const leaving = new AbortController();
      const watch = await house.watch({ ...options, signal: leaving.signal });
      assert.is(watch.response.status, 200);
      await house.listeners(1);
      leaving.abort();
      await house.listeners(0);
    }));

  test(`a caller who leaves after messages is noticed too (${name})`, () =>
    inHouse(async (house) => {
      house.node.showChanges([change("a")]);
      const leaving = new AbortController();
      const watch = await house.watch({ ...options, signal: leaving.signal });
      await watch.message();
      await house.listeners(1);
      leaving.abort();
      await house.listeners(0);
    }));
}

function watchOf(changeId: string): RequestInit {
  const message = create(WatchChangesRequestSchema, { changeId });
  return { body: envelope(toBinary(WatchChangesRequestSchema, message)) };
}

test("who asks for one change gets that alone, to its end", () =>
  inHouse(async (house) => {
    house.node.showChanges([change("a"), change("b", { total: 1 })]);
    const watch = await house.watch(watchOf("b"));
    assert.equal(await watch.message(), { changeId: "b", description: "rebalance", total: 1 });
    house.node.showChanges([change("a", { done: 1 }), change("b", { done: 1, total: 1, isFinished: true })]);
    const end = { changeId: "b", description: "rebalance", done: 1, total: 1, finished: true };
    assert.equal(await watch.message(), end);
    assert.is(await watch.error(), undefined);
    const late = await house.watch(watchOf("b"));
    assert.equal(await late.message(), end);
    assert.is(await late.error(), undefined);
  }));

test("a change that does not exist is an error as soon as the node is certain of it, and not before", () =>
  inHouse(async (house) => {
    house.node.showChanges([change("a")]);
    const { code, message } = Object(await (await house.watch(watchOf("x"))).error());
    assert.is(code, "invalid_argument");
    assert.match(message, /Cannot watch change "x": none .* last 64 .*such as "2-/);
    house.node.canRefresh = false;
    const early = await house.watch(watchOf("begun elsewhere"));
    await house.listeners(1);
    house.node.showChanges([change("a"), change("begun elsewhere")]);
    assert.equal(await early.message(), { changeId: "begun elsewhere", description: "rebalance" });
  }));

test("who asks for it once gets what is retained, and the end", () =>
  inHouse(async (house) => {
    const once = envelope(
      toBinary(WatchChangesRequestSchema, create(WatchChangesRequestSchema, { once: true })),
    );
    const empty = await house.watch({ body: once });
    assert.is(await empty.error(), undefined);
    house.node.showChanges([change("a", { isFinished: true }), change("b")]);
    const watch = await house.watch({ body: once });
    assert.equal(await watch.message(), { changeId: "a", description: "rebalance", finished: true });
    assert.equal(await watch.message(), { changeId: "b", description: "rebalance" });
    assert.is(await watch.error(), undefined);
    await house.listeners(0);
    assert.equal(house.noted, ["WatchChanges ok", "WatchChanges ok"]);
  }));

test("a slow reader gets the newest state of each change and costs one state of each", () =>
  inHouse(async (house) => {
    const watch = await house.watch();
    await house.listeners(1);
    // All in one turn of the event loop: nothing can be sent between two of them.
    for (let done = 1; done <= 10_000; done++) {
      house.node.showChanges([change("a", { done, total: 10_000 }), change("b", { done: 10_000 - done })]);
    }
    assert.equal(await watch.message(), {
      changeId: "a",
      description: "rebalance",
      done: 10_000,
      total: 10_000,
    });
    house.node.showChanges([change("b", { isFinished: true })]);
    const seen = [await watch.message()];
    while ((seen.at(-1) as { finished?: boolean }).finished !== true) seen.push(await watch.message());
    assert.ok(seen.length <= 2, JSON.stringify(seen));
  }));

test("a node that stops ends its watches and says why", () =>
  inHouse(async (house) => {
    const quiet = await house.watch();
    const web = await house.watch({ headers: { "content-type": "application/grpc-web" } });
    await house.listeners(2);
    house.closing.abort();
    assert.equal(await quiet.error(), {
      code: "unavailable",
      message: "Cannot go on with the stream: the node is stopping: ask another node",
    });
    assert.is(web.response.headers.get("content-type"), "application/grpc-web+proto");
    const { flags, body } = (await web.next())!;
    assert.is(flags, 0x80);
    assert.match(new TextDecoder().decode(body), /grpc-status: 14/);
    await house.listeners(0);
    const late = await house.watch();
    assert.equal((await late.error() as { readonly code: string }).code, "unavailable");
  }));

test("a deadline ends a watch", () =>
  inHouse(async (house) => {
    const watch = await house.watch({ headers: { "connect-timeout-ms": "50" } });
    assert.is((await watch.error() as { readonly code: string }).code, "deadline_exceeded");
    await house.listeners(0);
  }));

test("JSON and gRPC-Web carry the same messages", () =>
  inHouse(async (house) => {
    house.node.showChanges([change("a", { done: 1, total: 4 })]);
    const shown = { changeId: "a", description: "rebalance", done: 1, total: 4 };
    const json = await house.watch({
      headers: { "content-type": "application/connect+json", "connect-accept-encoding": "gzip" },
      body: envelope(bytes("{}")),
    });
    const { body } = (await json.next())!;
    const parsed = fromJson(WatchChangesResponseSchema, JSON.parse(new TextDecoder().decode(body)));
    assert.equal(toJson(WatchChangesResponseSchema, parsed), shown);
    const web = await house.watch({ headers: { "content-type": "application/grpc-web+proto" } });
    assert.equal(await web.message(), shown);
  }));

test("what is no watch is refused in the words of its protocol", () =>
  inHouse(async (house) => {
    const torn = await house.watch({ body: bytes("x") });
    assert.equal((await torn.error() as { readonly code: string }).code, "invalid_argument");
    const garbled = await house.watch({ body: envelope(Uint8Array.of(0xff, 0xff)) });
    assert.equal((await garbled.error() as { readonly code: string }).code, "invalid_argument");
    const unary = await house.watch({ headers: { "content-type": "application/proto" } });
    assert.is(unary.response.status, 415);
    await unary.response.body?.cancel().catch(() => {});
    assert.equal(house.noted, ["WatchChanges invalid_argument", "WatchChanges invalid_argument"]);
    assert.is(house.node.listenerCount, 0);
  }));

test("watches are bounded, and one that ends makes room", async () => {
  const node = new FakeNode();
  const ask = handler({ node });
  const open = async () =>
    await ask(
      new Request(`http://node.test${PATH}`, {
        method: "POST",
        headers: { "content-type": BINARY },
        body: envelope(new Uint8Array(0)),
      }),
    );
  const watches = await Promise.all(Array.from({ length: CHANGE_WATCHERS_MAX }, open));
  while (node.listenerCount < CHANGE_WATCHERS_MAX) await new Promise((resolve) => setTimeout(resolve, 2));
  const refusal = await new Watch(await open()).error() as {
    readonly code: string;
    readonly message: string;
  };
  assert.is(refusal.code, "resource_exhausted");
  assert.match(
    refusal.message,
    /1000 callers watch this node already, which is the limit \(CHANGE_WATCHERS_MAX\)/,
  );
  await watches[0]!.body!.cancel();
  while (node.listenerCount === CHANGE_WATCHERS_MAX) await new Promise((resolve) => setTimeout(resolve, 2));
  node.showChanges([change("a")]);
  assert.is((await new Watch(await open()).message() as { readonly changeId: string }).changeId, "a");
  await Promise.all(watches.slice(1).map((watch) => watch.body!.cancel()));
});

test.run();
