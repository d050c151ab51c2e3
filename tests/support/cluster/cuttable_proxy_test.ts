/**
 * The link that breaks, without a database at its ends.
 *
 * @module
 */

import { assert, assertRejects, suite } from "../../harness.ts";
import { pause } from "../patience.ts";
import { CuttableProxy } from "./cuttable_proxy.ts";
import { freePort } from "./free_port.ts";

const HOST = "127.0.0.1";
/** Long enough for bytes to pass if they passed, on a busy machine too. */
const QUIET_MS = 200;

const test = suite("cuttable proxy");

test("bytes pass in both directions", async () => {
  await using echo = await Echo.start();
  const connection = await connectTo(echo.proxy);
  assert.is(await ask(connection, "one"), "one");
  assert.is(await ask(connection, "two"), "two");
  assert.is(echo.proxy.passedBytes, 12);
  connection.close();
});

test("while it hangs nothing passes, and everything arrives after healing", async () => {
  await using echo = await Echo.start();
  const old = await connectTo(echo.proxy);
  assert.is(await ask(old, "one"), "one");
  echo.proxy.set("hanging");
  const young = await connectTo(echo.proxy);
  const answers = [ask(old, "two"), ask(young, "three")];
  let answered = 0;
  for (const answer of answers) answer.then(() => answered++);
  await pause(QUIET_MS);
  assert.is(answered, 0);
  assert.is(echo.receivedBytes, 3);
  echo.proxy.set("passing");
  assert.equal(await Promise.all(answers), ["two", "three"]);
  old.close();
  young.close();
});

test("while it refuses, connections old and new are ended", async () => {
  await using echo = await Echo.start();
  const old = await connectTo(echo.proxy);
  assert.is(await ask(old, "one"), "one");
  echo.proxy.set("refusing");
  await assertRejects(() => ask(old, "two"));
  await assertRejects(async () => ask(await connectTo(echo.proxy), "three"));
  assert.is(echo.receivedBytes, 3);
  echo.proxy.set("passing");
  const young = await connectTo(echo.proxy);
  assert.is(await ask(young, "four"), "four");
  old.close();
  young.close();
});

for (const direction of ["forward", "backward"] as const) {
  test(`what is dropped ${direction} is gone, and its connection stays dead in that direction`, async () => {
    await using echo = await Echo.start();
    const [old, untouched] = [await connectTo(echo.proxy), await connectTo(echo.proxy)];
    assert.is(await ask(old, "one"), "one");
    assert.is(await ask(untouched, "one"), "one");
    echo.proxy.drop(direction);
    let answered = 0;
    for (const text of ["two", "three"]) {
      ask(old, text).then(() => answered++, () => {});
      await pause(QUIET_MS);
      echo.proxy.dropNothing();
    }
    assert.is(answered, 0);
    assert.is(echo.receivedBytes, direction === "forward" ? 6 : 14);
    assert.is(await ask(untouched, "four"), "four");
    const young = await connectTo(echo.proxy);
    assert.is(await ask(young, "five"), "five");
    for (const connection of [old, untouched, young]) connection.close();
  });
}

test("a target that is not there is a connection that ends", async () => {
  const proxy = CuttableProxy.open({ port: freePort(), targetPort: freePort() });
  await assertRejects(async () => ask(await connectTo(proxy), "one"));
  await proxy.close();
});

/** Says back what it hears, behind a proxy. */
class Echo {
  readonly proxy: CuttableProxy;
  readonly #listener: Deno.TcpListener;
  receivedBytes = 0;

  private constructor(listener: Deno.TcpListener, proxy: CuttableProxy) {
    this.#listener = listener;
    this.proxy = proxy;
    this.#serve();
  }

  static start(): Promise<Echo> {
    const listener = Deno.listen({ hostname: HOST, port: freePort() });
    const proxy = CuttableProxy.open({ port: freePort(), targetPort: listener.addr.port });
    return Promise.resolve(new Echo(listener, proxy));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.proxy.close();
  }

  async #serve(): Promise<void> {
    for await (const connection of this.#listener) this.#echo(connection);
  }

  async #echo(connection: Deno.TcpConn): Promise<void> {
    try {
      for await (const bytes of connection.readable) {
        this.receivedBytes += bytes.length;
        await connection.write(bytes);
      }
    } catch {
      // The other end is gone.
    }
  }
}

function connectTo(proxy: CuttableProxy): Promise<Deno.TcpConn> {
  const [hostname, port] = proxy.address.split(":");
  return Deno.connect({ hostname: hostname!, port: Number(port) });
}

async function ask(connection: Deno.TcpConn, text: string): Promise<string> {
  await connection.write(new TextEncoder().encode(text));
  const buffer = new Uint8Array(100);
  const count = await connection.read(buffer);
  if (count === null) throw new Error("The connection has ended");
  return new TextDecoder().decode(buffer.subarray(0, count));
}

test.run();
