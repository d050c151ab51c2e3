/**
 * The listener: bound before it serves, telling versions apart, short of descriptors, closed in peace.
 *
 * @module
 */

import { startHttp1 } from "../../server/http/h1/mod.ts";
import { type ConnectionStart, type HttpProtocol, TcpListener } from "../../server/http/mod.ts";
import { assert, assertRejects, suite } from "../harness.ts";
import { until } from "../support/patience.ts";
import { KnownContext, MIRROR_ROUTER, plain, statusesOf, wholeRouter } from "./h1_fixture.ts";
import { RawClient } from "./raw_client.ts";

const test = suite("listener of our own");
const HEAD = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
/** In the kernel's table of connections. */
const KEEP_ALIVE = "02";
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const opened: TcpListener[] = [];
test.afterEach(async () => {
  for (const listener of opened.splice(0)) await listener.close();
});

function listen(
  { context = new KnownContext(), hostname = "127.0.0.1", port = 0, http2 }: {
    readonly context?: KnownContext;
    readonly hostname?: string;
    readonly port?: number;
    readonly http2?: HttpProtocol;
  } = {},
): TcpListener {
  const versions = http2 === undefined ? { http1: startHttp1 } : { http1: startHttp1, http2 };
  const listener = new TcpListener({ hostname, port, context, ...versions });
  opened.push(listener);
  return listener;
}

test("it is bound at once, says where, and answers 503 until there is a router", async () => {
  const listener = listen();
  assert.match(listener.address, /^127\.0\.0\.1:\d+$/);
  const port = Number(listener.address.split(":")[1]);
  await assertRejects(() => listen({ port }), (error) => error instanceof Deno.errors.AddrInUse);
  const early = await fetch(`http://${listener.address}/`, { method: "POST", body: "abc" });
  assert.is(early.status, 503);
  assert.is(await early.text(), "the node is starting\n");
  listener.router = MIRROR_ROUTER;
  const late = await fetch(`http://${listener.address}/x`);
  assert.is(await late.text(), `GET /x ${listener.address} `);
});

test("an address of version 6 stands in brackets", async () => {
  const listener = listen({ hostname: "::1" });
  listener.router = MIRROR_ROUTER;
  assert.match(listener.address, /^\[::1\]:\d+$/);
  assert.is(await (await fetch(`http://${listener.address}/`)).text(), `GET / ${listener.address} `);
});

test("a connection speaks the version that its first bytes tell, however they are cut", async () => {
  const starts: ConnectionStart[] = [];
  let drained = 0;
  const http2: HttpProtocol = (start) => {
    starts.push(start);
    return {
      hasCompletedRequest: false,
      isTrusted: false,
      idleSinceMs: undefined,
      serve: async () => {
        while (await start.channel.read() !== undefined) {
          // Until the other side ends.
        }
      },
      drain: () => {
        drained++;
        start.channel.close();
      },
      end: () => start.channel.close(),
    };
  };
  const listener = listen({ http2 });
  listener.router = MIRROR_ROUTER;
  using second = await RawClient.open(listener.address);
  for (const byte of `${PREFACE}more`) await second.send(byte);
  await until(() => starts.length === 1, "HTTP/2 is started");
  assert.match(String.fromCharCode(...starts[0]!.received), /^PRI \* HTTP\/2\.0\r\n\r\nSM\r\n\r\n/);
  for (const text of ["PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", "PRX / HTTP/1.1\r\nHost: a\r\n\r\n", HEAD]) {
    using client = await RawClient.open(listener.address);
    for (const byte of text) await client.send(byte);
    await client.endWriting();
    assert.equal(statusesOf(await client.readToEnd()), [text.startsWith("PRI") ? 505 : 200], text);
  }
  assert.is(starts.length, 1);
  await listener.close();
  assert.is(drained, 1);
});

test("without HTTP/2 its preface is refused", async () => {
  using client = await RawClient.open(listen().address);
  await client.send(PREFACE);
  assert.equal(statusesOf(await client.readToEnd()), [505]);
});

test("closing ends idle connections, answers what is under way, and takes nothing new in", async () => {
  const context = new KnownContext();
  const listener = listen({ context });
  let finish: (() => void) | undefined;
  listener.router = wholeRouter(({ target }) =>
    target === "/" ? plain(200, "") : new Promise((resolve) => finish = () => resolve(plain(200, "late")))
  );
  using idle = await RawClient.open(listener.address);
  await idle.send(HEAD);
  await idle.readUntil((text) => text.includes("\r\n\r\n"));
  using silent = await RawClient.open(listener.address);
  using busy = await RawClient.open(listener.address);
  await busy.send(HEAD.replace("/", "/slow"));
  await until(() => finish !== undefined && context.connections === 3, "the request is under way");
  let isClosed = false;
  const closing = listener.close().then(() => isClosed = true);
  await Promise.all([idle.readToEnd(), silent.readToEnd()]);
  idle.close();
  await assertRejects(() => RawClient.open(listener.address));
  await until(() => context.connections === 1, "the others have ended");
  assert.not.ok(isClosed);
  finish!();
  assert.match(await busy.readToEnd(), /connection: close\r\n[^]*late$/);
  busy.close();
  await closing;
  assert.is(context.connections, 0);
  await listener.close();
});

test("the system asks whether a silent client is still there", async () => {
  if (Deno.build.os !== "linux") return;
  const listener = listen();
  listener.router = MIRROR_ROUTER;
  const port = Number(listener.address.split(":")[1]);
  using client = await Deno.connect({ hostname: "127.0.0.1", port });
  await client.write(new TextEncoder().encode(HEAD));
  await client.read(new Uint8Array(1));
  await until(() => timerOf(port, client.localAddr.port) === KEEP_ALIVE, "a timer of keepalive runs");
});

/** Which timer the kernel has running for the connection; `00` for none. */
function timerOf(localPort: number, remotePort: number): string | undefined {
  const isAt = (place: string | undefined, port: number) => parseInt(place!.split(":")[1]!, 16) === port;
  const rows = Deno.readTextFileSync("/proc/net/tcp").trim().split("\n").slice(1);
  const row = rows.map((each) => each.trim().split(/\s+/))
    .find(([, local, remote]) => isAt(local, localPort) && isAt(remote, remotePort));
  return row?.[5]?.split(":")[0];
}

for (const [what, text] of [["only stand there", ""], ["are idle", HEAD]] as const) {
  test(`when there are no descriptors, connections that ${what} make room`, async () => {
    await using program = await FewDescriptors.start();
    const crowd: RawClient[] = [];
    for (let count = 0; count < 200; count++) {
      const client = await RawClient.open(program.address);
      crowd.push(client);
      await client.send(text);
    }
    using newcomer = await RawClient.open(program.address);
    await newcomer.send(HEAD);
    assert.equal(statusesOf(await newcomer.readUntil((text) => text.includes("GET / a"))), [200]);
    for (const client of crowd) client.close();
  });
}

test("when there are none and nobody can make room, it waits and goes on accepting", async () => {
  await using program = await FewDescriptors.start();
  {
    using greedy = await RawClient.open(program.address);
    await greedy.send(HEAD);
    await greedy.readUntil((text) => text.includes("GET / a"));
    await greedy.send(HEAD.replace("/", "/files"));
    await new Promise((resolve) => setTimeout(resolve, 100));
    using newcomer = await RawClient.open(program.address);
    await newcomer.send(HEAD);
    assert.equal(statusesOf(await newcomer.readUntil((text) => text.includes("GET / a"))), [200]);
    assert.match(await greedy.readUntil((text) => text.includes("files")), /\d\d files/);
  }
});

/** A listener in a process of its own that has 128 descriptors. */
class FewDescriptors {
  readonly #process: Deno.ChildProcess;

  private constructor(process: Deno.ChildProcess, readonly address: string) {
    this.#process = process;
  }

  static async start(): Promise<FewDescriptors> {
    const program = new URL("./few_descriptors.ts", import.meta.url).pathname;
    const process = new Deno.Command("sh", {
      args: ["-c", `ulimit -n 128 && exec "$0" run -A --no-check "$1"`, Deno.execPath(), program],
      stdout: "piped",
    }).spawn();
    for await (const text of process.stdout.pipeThrough(new TextDecoderStream())) {
      return new FewDescriptors(process, text.trim());
    }
    throw new Error("the program has ended before it told its address");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.status;
  }
}

test.run();
