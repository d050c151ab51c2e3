/**
 * What a node answers on a peer's stream, as it is read at the other end: in whatever pieces it arrives, and
 * from whoever else may listen there.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { encodeEnd, encodeTaken, type StreamAnswer } from "./answer_codec.ts";
import { AnswerReader } from "./answer_reader.ts";

const test = suite("answer reader");
const HEAD =
  "HTTP/1.1 200 OK\r\ncontent-type: application/connect+proto\r\nTransfer-Encoding: chunked\r\n\r\n";

const REFUSAL = { code: "invalid_argument", message: "Cannot deliver: this is node 1, not 3" };
const SAID: readonly StreamAnswer[] = [
  { kind: "taken", taken: 1 },
  { kind: "taken", taken: 300 },
  { kind: "end", refusal: REFUSAL },
];

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function chunk(...envelopes: readonly Uint8Array[]): readonly number[] {
  const body = envelopes.flatMap((envelope) => [...envelope]);
  return [...bytesOf(`${body.length.toString(16)}\r\n`), ...body, ...bytesOf("\r\n")];
}

function readIn(pieceBytes: number, bytes: Uint8Array): StreamAnswer[] {
  const reader = new AnswerReader();
  const answers: StreamAnswer[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    answers.push(...reader.read(bytes.slice(at, at + pieceBytes)));
  }
  return answers;
}

test("answers are read in whatever pieces and chunks they arrive", () => {
  const [one, two, end] = [encodeTaken(1), encodeTaken(300), encodeEnd(REFUSAL)];
  const cut = [two.slice(0, 3), two.slice(3)] as const;
  for (
    const body of [
      [...chunk(one), ...chunk(two), ...chunk(end)],
      [...chunk(one, two, end)],
      [...chunk(one, cut[0]), ...chunk(cut[1]), ...chunk(end)],
    ]
  ) {
    const bytes = Uint8Array.from([...bytesOf(HEAD), ...body, ...bytesOf("0\r\n\r\n")]);
    for (const pieceBytes of [1, 2, 3, 7, 50, bytes.length]) assert.equal(readIn(pieceBytes, bytes), SAID);
  }
});

test("an end without an error is an end", () => {
  const bytes = Uint8Array.from([...bytesOf(HEAD), ...chunk(encodeEnd(undefined))]);
  assert.equal(readIn(9, bytes), [{ kind: "end", refusal: undefined }]);
});

test("who does not answer as a node does is named by what it answers", () => {
  const read = (text: string) => () => readIn(1_000, bytesOf(text));
  assert.throws(
    read("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\nno\n"),
    /answers HTTP\/1.1 503/,
  );
  assert.throws(read("SSH-2.0-OpenSSH_9.6\r\n\r\n"), /answers SSH-2.0/);
  assert.throws(read("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi\n"), /without chunks/);
  assert.throws(read("x".repeat(40_000)), /more than 16384 bytes/);
  assert.throws(read(`${HEAD}zz\r\n`), /chunk of "zz" bytes/);
  assert.throws(read(`${HEAD}${"1".repeat(100)}`), /endless chunk line/);
  assert.throws(read(`${HEAD}5\r\n\x02\x00\x00\x00\x01\r\n1\r\n{\r\n`), /cannot be read/);
  assert.throws(read(`${HEAD}5\r\n\x00\xff\x00\x00\x01\r\n`), /limit/);
});

test.run();
