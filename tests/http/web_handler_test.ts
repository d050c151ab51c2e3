/**
 * Handlers of the web on HTTP/1.1: both bodies as streams that hold each other back, a caller that leaves,
 * and handlers that fail.
 *
 * @module
 */

import { startHttp1 } from "../../server/http/h1/mod.ts";
import { TcpListener, type WebFetch, webHandler } from "../../server/http/mod.ts";
import { assert, suite } from "../harness.ts";
import { until } from "../support/patience.ts";
import { KnownContext, request, ScriptedConnection, statusesOf } from "./h1_fixture.ts";
import { utf8Bytes } from "./scripted_channel.ts";

const test = suite("handlers of the web");
const opened: TcpListener[] = [];
test.afterEach(async () => {
  for (const listener of opened.splice(0)) await listener.close();
});

function serve(handler: WebFetch, context = new KnownContext()): string {
  const listener = new TcpListener({ hostname: "127.0.0.1", port: 0, context, http1: startHttp1 });
  listener.router = { route: () => webHandler(handler) };
  opened.push(listener);
  return `http://${listener.address}`;
}

test("a request comes as it was sent, and the response goes as it was made", async () => {
  let seen: Request | undefined;
  const origin = serve(async (each) => {
    seen = each;
    const text = await each.text();
    const headers: [string, string][] = [["x-b", "c"], ["set-cookie", "d=1"], ["set-cookie", "e=2"]];
    return new Response(text.toUpperCase(), { status: 201, headers });
  });
  const response = await fetch(`${origin}/a/b?c=d`, {
    method: "PUT",
    headers: { "x-a": "b" },
    body: "hello",
  });
  assert.is(response.status, 201);
  assert.is(await response.text(), "HELLO");
  assert.is(response.headers.get("x-b"), "c");
  assert.equal(response.headers.getSetCookie(), ["d=1", "e=2"]);
  assert.equal([seen?.url, seen?.method, seen?.headers.get("x-a")], [`${origin}/a/b?c=d`, "PUT", "b"]);
});

test("a path is served as it stands or not at all: nothing of it is resolved", async () => {
  const peer = new ScriptedConnection({ route: () => webHandler(({ url }) => new Response(url)) });
  const ask = async (path: string) => {
    const before = peer.channel.sent.length;
    return (await peer.send(request([`GET ${path} HTTP/1.1`, "Host: a"]))).slice(before);
  };
  for (const path of ["/a/../b", "/./b", "/%2e%2e/b", "/a\\b", "/a/b/..", "/{b}"]) {
    assert.equal(statusesOf(await ask(path)), [400], path);
  }
  for (const path of ["/a//b", "/..b", "/a%2Fb", "/a.b?c=/../d"]) {
    assert.match(await ask(path), `http://a${path}`);
  }
});

test("answers without a body, of which HEAD is told the length", async () => {
  let cancelled = 0;
  const origin = serve(({ url }) => {
    const status = Number(new URL(url).pathname.slice(1));
    if (status !== 200) return new Response(null, { status });
    return new Response(new ReadableStream({ cancel: () => void cancelled++ }), {
      headers: { "content-length": "7" },
    });
  });
  for (const status of [204, 205, 304, 404]) {
    const response = await fetch(`${origin}/${status}`);
    assert.equal([response.status, await response.text()], [status, ""]);
  }
  const head = await fetch(`${origin}/200`, { method: "HEAD" });
  assert.equal([head.headers.get("content-length"), await head.text()], ["7", ""]);
  assert.is(cancelled, 1);
});

test("a handler that throws, rejects or returns nonsense costs its caller a 500", async () => {
  const bad: readonly WebFetch[] = [
    () => {
      throw new Error("thrown");
    },
    () => Promise.reject(new Error("rejected")),
    () => undefined as unknown as Response,
    () => Response.error(),
  ];
  let turn = 0;
  const origin = serve((each) => bad[turn++]!(each));
  for (const _ of bad) {
    const response = await fetch(origin, { method: "POST", body: "x" });
    assert.equal([response.status, await response.text()], [500, "internal error\n"]);
  }
});

test("a body that fails cuts the answer off, so that nobody takes it for whole", async () => {
  const origin = serve(() =>
    new Response(
      new ReadableStream({
        pull: (controller) => controller.error(new Error("broken")),
        start: (controller) => controller.enqueue(utf8Bytes("begun")),
      }),
    )
  );
  const response = await fetch(origin);
  let error: unknown;
  await response.text().catch((each) => error = each);
  assert.instance(error, Error);
});

test("what the web cannot express is refused", async () => {
  const peer = new ScriptedConnection({ route: () => webHandler(() => new Response("served")) });
  assert.equal(statusesOf(await peer.send(request(["TRACE / HTTP/1.1", "Host: a"]))), [501]);
  assert.equal(statusesOf(await peer.send(request(["GET / HTTP/1.1", "Host: a%zz"]))), [501, 400]);
  assert.equal(statusesOf(await peer.send(request(["get / HTTP/1.1", "Host: a"]))), [501, 400, 501]);
});

test("a sender is held back while the handler does not read", async () => {
  let read: (() => Promise<number>) | undefined;
  const origin = serve((each) =>
    new Promise((resolve) => {
      read = async () => {
        const { length } = await each.bytes();
        resolve(new Response(String(length)));
        return length;
      };
    })
  );
  let sentBytes = 0;
  const size = 40_000_000;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      if (sentBytes === size) return controller.close();
      sentBytes += 100_000;
      controller.enqueue(new Uint8Array(100_000));
    },
  });
  const response = fetch(origin, { method: "POST", body });
  await until(() => read !== undefined, "the request is there");
  let before = -1;
  // Until nothing moves any more: then everything that lies between is full.
  while (before !== sentBytes) {
    before = sentBytes;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  assert.ok(sentBytes < size, `${sentBytes} bytes were taken in`);
  await read!();
  assert.is(await (await response).text(), String(size));
});

test("a handler's stream is held back while the caller does not read", async () => {
  let made = 0;
  const pieces = 500;
  const origin = serve(() =>
    new Response(
      new ReadableStream({
        pull: (controller) => {
          if (made++ === pieces) controller.close();
          else controller.enqueue(new Uint8Array(100_000));
        },
      }),
    )
  );
  const response = await fetch(origin);
  let before = -1;
  while (before !== made) {
    before = made;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  assert.ok(made < pieces, `${made} pieces were made`);
  assert.is((await response.bytes()).length, pieces * 100_000);
});

test("the request's signal says when the caller has left, before and while it is answered", async () => {
  const asked: string[] = [];
  const left: string[] = [];
  const context = new KnownContext({ limits: { progressMs: 500 } });
  const origin = serve(({ signal, url }) => {
    const { pathname } = new URL(url);
    asked.push(pathname);
    signal.addEventListener("abort", () => left.push(pathname));
    if (pathname === "/waiting") return new Promise(() => {});
    return new Response(new ReadableStream({ start: (controller) => controller.enqueue(utf8Bytes("x")) }));
  }, context);
  for (const path of ["/waiting", "/streaming"]) {
    const caller = new AbortController();
    const response = fetch(origin + path, { method: "POST", body: "x", signal: caller.signal }).catch(
      () => {},
    );
    await until(() => asked.includes(path), `${path} is asked for`);
    if (path === "/streaming") await (await response)?.body?.getReader().read();
    assert.not.ok(left.includes(path));
    caller.abort();
    await until(() => left.includes(path), `${path} is told`);
  }
});

test("a client that was answered early is served when it asks again", async () => {
  const origin = serve(async (each) => {
    if (each.url.endsWith("/early")) {
      // As a limit does: some of the body is read, then there is an answer.
      await each.body?.getReader().read();
      return new Response("too much", { status: 400 });
    }
    return new Response(await each.text());
  });
  for (let round = 0; round < 20; round++) {
    let sentBytes = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        if (sentBytes > 300_000) return controller.close();
        sentBytes += 50_000;
        controller.enqueue(new Uint8Array(50_000));
      },
    });
    // The client may still be sending when the connection ends behind the answer.
    const early = await fetch(`${origin}/early`, { method: "POST", body });
    assert.equal([early.status, await early.text()], [400, "too much"]);
    const again = await fetch(`${origin}/again`, { method: "POST", body: `round ${round}` });
    assert.is(await again.text(), `round ${round}`);
  }
});

test("an answer that is complete is not told of its caller's leaving", async () => {
  let aborted = 0;
  const context = new KnownContext();
  const origin = serve(({ signal }) => {
    signal.addEventListener("abort", () => aborted++);
    return new Response("done");
  }, context);
  const response = await fetch(origin, { headers: { connection: "close" } });
  await response.text();
  await until(() => context.connections === 0, "the connection has ended");
  assert.is(aborted, 0);
});

test.run();
