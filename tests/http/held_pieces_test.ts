/**
 * What waits for a slow reader holds about what it is counted for, however small its pieces are: a piece that
 * was cut from a block must not keep the block.
 *
 * @module
 */

import { cutBytes, joinChunks, ownedBytes, SocketChannel } from "../../server/http/mod.ts";
import { SettingId } from "../../server/http/h2/frame.ts";
import { assert, suite } from "../harness.ts";
import { heldBytes } from "../support/growth.ts";
import { headersFrame, requestFields } from "./http2_frames.ts";
import { echoHandler, openHttp2Peer } from "./http2_peer.ts";

const test = suite("held pieces");

const PIECES = 800;
const PIECE_BYTES = 100;
/** Cuts that fill a block and more, so that every piece that is kept would keep one of its own. */
const CUTS_BETWEEN = 20;
/** A tenth of the blocks, had each piece kept one. */
const HELD_BYTES_MAX = PIECES * 16_384 / 10;

/** A piece as answers are made of, with other answers behind it. */
function cutPiece(): Uint8Array {
  const piece = cutBytes(PIECE_BYTES);
  for (let count = 0; count < CUTS_BETWEEN; count++) cutBytes(1_000);
  return piece;
}

test("pieces are zeros, nobody else has them, and large ones are no pieces", () => {
  const [first, second] = [cutBytes(10), cutBytes(20)];
  first.fill(1);
  assert.equal([...second], Array(20).fill(0));
  assert.is(first.buffer, second.buffer);
  assert.is(cutBytes(5_000).buffer.byteLength, 5_000);
});

test("bytes are copied to be owned only if they hold much more", () => {
  const whole = new Uint8Array(100);
  assert.is(ownedBytes(whole), whole);
  assert.is(ownedBytes(whole.subarray(0, 60)).buffer, whole.buffer);
  assert.is(ownedBytes(whole.subarray(0, 40)).buffer.byteLength, 40);
  assert.is(joinChunks([whole, whole], 200).buffer.byteLength, 200);
});

test("a socket that takes nothing", async () => {
  const channel = new SocketChannel({
    read: () => new Promise(() => {}),
    write: () => new Promise(() => {}),
    closeWrite: () => Promise.resolve(),
    close: () => {},
  });
  channel.write(cutPiece());
  await new Promise((resolve) => setTimeout(resolve, 0));
  const before = heldBytes();
  for (let count = 0; count < PIECES; count++) channel.write(cutPiece());
  const held = heldBytes() - before;
  assert.is(channel.heldBytes, (PIECES + 1) * PIECE_BYTES);
  assert.ok(held < HELD_BYTES_MAX, `${PIECES} pieces of ${PIECE_BYTES} bytes hold ${held} bytes`);
  channel.close();
});

test("streams of HTTP/2 whose windows are closed", async () => {
  const handler = { ...echoHandler(), answer: () => ({ status: 200, headers: [], body: cutPiece() }) };
  const settings = [[SettingId.initialWindowSize, 0]] as const;
  const peer = await openHttp2Peer({ handler, settings });
  try {
    const ask = (at: number) => peer.send(headersFrame(2 * at + 1, requestFields("GET")));
    await ask(0);
    const before = heldBytes();
    for (let at = 1; at <= PIECES; at++) await ask(at);
    const held = heldBytes() - before;
    assert.is(peer.answers.usedBytes, (PIECES + 1) * PIECE_BYTES);
    // Streams themselves take some.
    assert.ok(held < 3 * HELD_BYTES_MAX, `${PIECES} answers of ${PIECE_BYTES} bytes hold ${held} bytes`);
  } finally {
    await peer.leave();
  }
});

test.run();
