/**
 * A TCP connection as a channel: joined writes, exact counts, and the ways in which it ends.
 *
 * @module
 */

import { assert, assertRejects, suite } from "../../tests/harness.ts";
import { SeededRandom } from "../../tests/support/seeded_random.ts";
import { type ByteSocket, SocketChannel } from "./socket_channel.ts";

const test = suite("socket channel");

/** A socket whose writes end when the test says so, and which takes as much as it says. */
class HeldSocket implements ByteSocket {
  readonly written: Uint8Array[] = [];
  readonly #waiting: {
    readonly resolve: (count: number) => void;
    readonly reject: (error: Error) => void;
  }[] = [];
  hasEnded = false;
  isClosed = false;
  #endRead: ((count: number | null) => void) | undefined;

  read(): Promise<number | null> {
    return new Promise((resolve) => this.#endRead = resolve);
  }

  write(bytes: Uint8Array): Promise<number> {
    this.written.push(bytes.slice());
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** The write under way took `count` bytes. */
  async take(count: number): Promise<void> {
    this.#waiting.shift()!.resolve(count);
    await turns();
  }

  async fail(): Promise<void> {
    this.#waiting.shift()!.reject(new Error("broken pipe"));
    await turns();
  }

  closeWrite(): Promise<void> {
    this.hasEnded = true;
    return Promise.resolve();
  }

  close(): void {
    this.isClosed = true;
    this.#endRead?.(null);
  }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

function filled(length: number, value: number): Uint8Array {
  return new Uint8Array(length).fill(value);
}

/** Both ends of a connection on loopback. */
async function connected(): Promise<readonly [SocketChannel, Deno.TcpConn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = listener.accept();
  const other = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  return [new SocketChannel(await accepting), other];
}

test("a piece that was taken in part is held as a whole, one that was written is not held", async () => {
  const socket = new HeldSocket();
  const channel = new SocketChannel(socket);
  channel.write(new Uint8Array(1_000_000));
  channel.write(new Uint8Array(200_000));
  await turns();
  await socket.take(999_000);
  assert.equal([channel.pendingBytes, channel.heldBytes], [201_000, 1_200_000]);
  await socket.take(1_000);
  assert.equal([channel.pendingBytes, channel.heldBytes], [200_000, 200_000]);
  await socket.take(1);
  assert.equal([channel.pendingBytes, channel.heldBytes], [199_999, 200_000]);
  channel.close();
  assert.equal([channel.pendingBytes, channel.heldBytes], [0, 0]);
});

test("what is written in one turn is one write, and so is what comes while it is under way", async () => {
  const socket = new HeldSocket();
  const channel = new SocketChannel(socket);
  for (let value = 1; value <= 3; value++) channel.write(filled(2, value));
  channel.write(new Uint8Array());
  assert.is(channel.pendingBytes, 6);
  await turns();
  assert.equal(socket.written, [Uint8Array.of(1, 1, 2, 2, 3, 3)]);
  channel.write(filled(1, 4));
  channel.write(filled(1, 5));
  assert.is(channel.pendingBytes, 8);
  await socket.take(2);
  assert.is(channel.pendingBytes, 6);
  assert.equal(socket.written[1], Uint8Array.of(2, 2, 3, 3));
  let isFlushed = false;
  void channel.flushed().then(() => isFlushed = true);
  await socket.take(4);
  assert.equal(socket.written[2], Uint8Array.of(4, 5));
  assert.not.ok(isFlushed);
  await socket.take(2);
  assert.ok(isFlushed);
  assert.is(channel.pendingBytes, 0);
  await channel.flushed();
});

test("large pieces are written where they lie, small ones together, in order", async () => {
  const socket = new HeldSocket();
  const channel = new SocketChannel(socket);
  for (const length of [10, 20, 100_000, 30, 40]) channel.write(filled(length, length % 251));
  await turns();
  for (const length of [30, 100_000, 70]) await socket.take(length);
  assert.equal(socket.written.map((bytes) => bytes.length), [30, 100_000, 70]);
});

test("the end goes out behind what is queued, and nothing after it", async () => {
  const socket = new HeldSocket();
  const channel = new SocketChannel(socket);
  channel.write(filled(3, 1));
  channel.endWriting();
  channel.write(filled(3, 2));
  assert.is(channel.pendingBytes, 3);
  await turns();
  assert.not.ok(socket.hasEnded);
  await socket.take(3);
  assert.ok(socket.hasEnded);
  assert.is(socket.written.length, 1);
  const idle = new HeldSocket();
  new SocketChannel(idle).endWriting();
  await turns();
  assert.ok(idle.hasEnded);
});

test("a write that fails ends the channel, and reading tells why", async () => {
  const socket = new HeldSocket();
  const channel = new SocketChannel(socket);
  const reading = channel.read().then(() => undefined, (error: Error) => error);
  channel.write(filled(3, 1));
  channel.write(filled(3, 1));
  await turns();
  const flushed = channel.flushed();
  await socket.fail();
  await flushed;
  assert.is(channel.pendingBytes, 0);
  assert.ok(socket.isClosed);
  assert.match((await reading)!.message, "broken pipe");
  await assertRejects(() => channel.read(), ({ message }) => message.includes("broken pipe"));
});

test("closing ends what is pending, as at the end", async () => {
  const socket = new HeldSocket();
  const channel = new SocketChannel(socket);
  const reading = channel.read();
  channel.write(filled(3, 1));
  await turns();
  const flushed = channel.flushed();
  channel.close();
  channel.close();
  channel.write(filled(3, 1));
  channel.endWriting();
  await flushed;
  assert.is(await reading, undefined);
  assert.is(channel.pendingBytes, 0);
  await socket.take(3);
  assert.is(channel.pendingBytes, 0);
  assert.is(await channel.read(), undefined);
});

test("bytes come through a socket as they were sent, and are never written to again", async () => {
  const [channel, other] = await connected();
  const random = new SeededRandom(17);
  const sent = random.bytes(700_000);
  const sending = (async () => {
    for (let at = 0; at < sent.length;) {
      const end = Math.min(sent.length, at + 1 + random.below(random.chance(50) ? 100 : 60_000));
      while (at < end) at += await other.write(sent.subarray(at, end));
    }
    await other.closeWrite();
  })();
  const chunks: Uint8Array[] = [];
  for (let chunk = await channel.read(); chunk !== undefined; chunk = await channel.read()) {
    chunks.push(chunk);
  }
  await sending;
  let at = 0;
  for (const chunk of chunks) {
    assert.ok(chunk.length > 0 && chunk.every((byte, offset) => byte === sent[at + offset]), `at ${at}`);
    at += chunk.length;
  }
  assert.is(at, sent.length);
  assert.is(await channel.read(), undefined);
  channel.write(filled(3, 7));
  channel.endWriting();
  const answer = new Uint8Array(10);
  assert.is(await other.read(answer), 3);
  assert.is(await other.read(answer), null);
  channel.close();
  other.close();
});

test("a connection whose other side has gone is broken as soon as something is written", async () => {
  const [channel, other] = await connected();
  other.close();
  // To a reader this is the end, as it would be if the other side still listened.
  assert.is(await channel.read(), undefined);
  let error: unknown;
  while (error === undefined) {
    channel.write(filled(100, 1));
    await channel.flushed();
    await channel.read().catch((each) => error = each);
  }
  assert.instance(error, Error);
  assert.is(channel.pendingBytes, 0);
});

test.run();
