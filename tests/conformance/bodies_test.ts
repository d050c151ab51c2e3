/**
 * Broken, compressed and oversized bodies, on every path; callers that leave. And that the node is there
 * afterwards.
 *
 * @module
 */

import { KvService } from "../../proto/mod.ts";
import { ByteShare } from "../../server/http/mod.ts";
import { assert, suite } from "../harness.ts";
import { OwnPort } from "../support/own_port.ts";
import { answerOf, ask, askBy, BASE, handler, post, router } from "./asking.ts";
import { type Answer, CALLERS, connectAnswer, envelope, gzip, pathOf } from "./callers.ts";
import { bytes, call } from "./case.ts";

const test = suite("bodies");
const LIMIT = 16 * 1024 * 1024;
const { get, put } = KvService.method;
const GET_A = call(get, { key: bytes("a") });
const TOO_LARGE = /^Cannot accept the request: .* bytes.*, the limit is 16777216 \(REQUEST_BYTES_MAX\): /;

test("bytes that are no message are the caller's fault", async () => {
  // A field of length 100 that ends after 1 byte; a group that nobody opened; a field with number 0.
  for (const broken of [Uint8Array.of(10, 100, 1), Uint8Array.of(12), Uint8Array.of(0, 1)]) {
    const lean = await answerOf(put, post(pathOf(put), "application/proto", broken));
    assert.ok(!lean.ok && lean.code === "invalid_argument");
    assert.match(lean.message, /^Cannot decode prkdb\.v1\.PutRequest: /);
    const grpcWeb = CALLERS.find((each) => each.name === "gRPC-Web")!;
    const response = await ask(post(pathOf(put), "application/grpc-web+proto", envelope(broken)));
    assert.equal(await grpcWeb.answer(call(put, {}), response), lean, `${broken}`);
  }
});

test("a body that is not one envelope is refused where there must be one", async () => {
  const grpcWeb = CALLERS.find((each) => each.name === "gRPC-Web")!;
  const message = envelope(Uint8Array.of(10, 1, 97));
  for (const broken of [new Uint8Array(0), message.slice(0, 7), Uint8Array.from([...message, ...message])]) {
    const response = await ask(post(pathOf(put), "application/grpc-web+proto", broken));
    assert.equal(await grpcWeb.answer(call(put, {}), response), {
      ok: false,
      code: "invalid_argument",
      message:
        `Cannot read the request: its ${broken.length} bytes are not one envelope: send one message, flags and ` +
        "length in front",
      details: [],
    });
  }
});

test("text that is no message is the caller's fault", async () => {
  for (
    const broken of [
      "",
      "{",
      "[]",
      "null",
      '{"key":5}',
      '{"key":"***"}',
      '{"ttlMs":"x"}',
      '{"precondition":7}',
      "\xff",
    ]
  ) {
    const answer = await answerOf(put, post(pathOf(put), "application/json", bytes(broken)));
    assert.ok(!answer.ok && answer.code === "invalid_argument", `${broken}: ${JSON.stringify(answer)}`);
  }
});

test("a number of JSON that would be rounded on its way is refused, and one in quotes arrives whole", async () => {
  const requestOf = (clientId: string) =>
    `{"key":"YQ==","value":"${
      btoa('"\\9007199254740993')
    }","requestId":{"sequence":1,"clientId":${clientId}}}`;
  const rounded = [
    "9007199254740993",
    "9007199254740992",
    "18446744073709551615",
    "1e17",
    "9007199254740993.0",
  ];
  for (const number of [...rounded, "1".repeat(60)]) {
    for (const text of [requestOf(number), `{"a":"\\\\","b\\"":-${number}}`]) {
      for (const body of [bytes(text), await gzip(bytes(text))]) {
        const headers = text.length === body.length ? {} : { "content-encoding": "gzip" };
        const answer = await answerOf(put, post(pathOf(put), "application/json", body, headers));
        assert.ok(!answer.ok && answer.code === "invalid_argument", text);
        assert.match(answer.message, /the number \d\S* exceeds 2\^53 - 1.* Write it as a string/, text);
      }
    }
  }
  for (const fine of ['"9007199254740993"', '"18446744073709551615"', "9007199254740991", "1"]) {
    const answer = await answerOf(put, post(pathOf(put), "application/json", bytes(requestOf(fine))));
    assert.ok(answer.ok, JSON.stringify(answer));
  }
  const query = encodeURIComponent('{"key":"YQ==","consistency":"STALE","maxStalenessMs":9007199254740993}');
  const byUrl = new Request(`${BASE}${pathOf(get)}?connect=v1&encoding=json&message=${query}`);
  const read = await answerOf(get, byUrl);
  assert.ok(!read.ok && /exceeds 2\^53/.test(read.message), JSON.stringify(read));
  const grpcWeb = CALLERS.find((each) => each.name === "gRPC-Web")!;
  const enveloped = post(pathOf(put), "application/grpc-web+json", envelope(bytes(requestOf("1e17"))));
  const web = await grpcWeb.answer(call(put, {}), await ask(enveloped));
  assert.ok(!web.ok && /exceeds 2\^53/.test(web.message), JSON.stringify(web));
});

test("gzip that unfolds to more than its end names is refused, on every way in", async () => {
  const more = await gzip(bytes('{"key":"YQ==","value":"MQ=="}'));
  const nothing = await gzip(new Uint8Array(0));
  const folded = Uint8Array.from([...more, ...nothing]);
  const expected = /^Cannot decompress the request: it has more than the 0 bytes that its end names: /;
  for (const type of ["application/proto", "application/json"]) {
    const answer = await answerOf(put, post(pathOf(put), type, folded, { "content-encoding": "gzip" }));
    assert.ok(!answer.ok && answer.code === "invalid_argument", type);
    assert.match(answer.message, expected, type);
  }
  const grpcWeb = CALLERS.find((each) => each.name === "gRPC-Web")!;
  const message = envelope(folded);
  message[0] = 1;
  const headers = { "grpc-encoding": "gzip" };
  const response = await ask(post(pathOf(put), "application/grpc-web+proto", message, headers));
  const answer = await grpcWeb.answer(call(put, {}), response);
  assert.ok(!answer.ok && answer.code === "invalid_argument", JSON.stringify(answer));
  assert.match(answer.message, expected);
});

test("what unfolds has room, or is refused before it does", async () => {
  const room = { bodies: new ByteShare(1024), answers: new ByteShare(1024) };
  room.bodies.take(1);
  const full = handler({ room });
  const folded = await gzip(new Uint8Array(100_000));
  for (const type of ["application/proto", "application/json"]) {
    const request = post(pathOf(put), type, folded, { "content-encoding": "gzip" });
    const answer = await connectAnswer(call(put, {}), await full(request));
    assert.ok(!answer.ok && answer.code === "resource_exhausted", `${type}: ${JSON.stringify(answer)}`);
    assert.is(room.bodies.usedBytes, 1, type);
  }
});

test("a field or a word of JSON that the method does not know is refused by name, on every way in", async () => {
  const unknown: readonly (readonly [text: string, name: string])[] = [
    ['{"key":"YQ==","vlaue":"MQ=="}', "vlaue"],
    ['{"key":"YQ==","value":"MQ==","precondition":{"abesnt":true}}', "abesnt"],
    ['{"key":"YQ==","value":"MQ==","request_id":{"client":"1"}}', "client"],
  ];
  const grpcWeb = CALLERS.find((each) => each.name === "gRPC-Web")!;
  for (const [text, name] of unknown) {
    const compressed = { "content-encoding": "gzip" };
    const web = post(pathOf(put), "application/grpc-web+json", envelope(bytes(text)));
    const answers = [
      await answerOf(put, post(pathOf(put), "application/json", bytes(text))),
      await answerOf(put, post(pathOf(put), "application/json", await gzip(bytes(text)), compressed)),
      await grpcWeb.answer(call(put, {}), await ask(web)),
    ];
    for (const answer of answers) assertNames(answer, name);
  }
  for (const [text, name] of [['{"kye":"YQ=="}', "kye"], ['{"key":"YQ==","consistency":"STAEL"}', "STAEL"]]) {
    const url = `${BASE}${pathOf(get)}?connect=v1&encoding=json&message=${encodeURIComponent(text!)}`;
    assertNames(await answerOf(get, new Request(url)), name!);
    assertNames(await answerOf(get, post(pathOf(get), "application/json", bytes(text!))), name!);
  }
});

test("a field that the binary form does not know is passed over, for programs of later versions send more", async () => {
  const later = Uint8Array.of(10, 1, 97, 0xf8, 0x06, 1);
  const answer = await answerOf(get, post(pathOf(get), "application/proto", later));
  assert.ok(answer.ok, JSON.stringify(answer));
});

test("a put of JSON without a value stores an empty one, as generated clients write it", async () => {
  const { request } = CALLERS.find((each) => each.name === "JSON POST")!;
  const empty = call(put, { key: bytes("empty"), value: new Uint8Array(0) });
  assert.equal(await (await request(empty, BASE)).json(), { key: btoa("empty") }, "nothing tells them apart");
  const answer = await answerOf(put, await request(empty, BASE));
  assert.ok(answer.ok, JSON.stringify(answer));
});

test("a message in a URL that is no base64 is the caller's fault", async () => {
  for (const encoding of ["proto", "json"]) {
    const url = `${BASE}${pathOf(get)}?connect=v1&base64=1&encoding=${encoding}&message=%21%21%21`;
    const answer = await answerOf(get, new Request(url));
    assert.ok(!answer.ok && answer.code === "invalid_argument", `${encoding}: ${JSON.stringify(answer)}`);
  }
});

test("base64 in a URL may be of either alphabet, padded or not", async () => {
  const key = Uint8Array.of(251, 255, 254);
  const fresh = handler();
  await fresh(await CALLERS[0]!.request(call(put, { key, value: bytes("v") }), BASE));
  for (const message of ["CgP7__4", "CgP7__4=", "CgP7%2F%2F4%3D", "CgP7//4="]) {
    const request = new Request(`${BASE}${pathOf(get)}?encoding=proto&base64=1&message=${message}`);
    const answer = await connectAnswer(call(get, {}), await fresh(request));
    assert.equal(answer, { ok: true, message: { value: "dg==", version: "1" } }, message);
  }
});

test("a compression that is not known, or broken, is refused", async () => {
  for (const type of ["application/proto", "application/json"]) {
    const unknown = await answerOf(put, post(pathOf(put), type, bytes("x"), { "content-encoding": "br" }));
    assert.ok(!unknown.ok && unknown.code === "unimplemented", type);
    assert.match(unknown.message, /unknown compression "br": supported encodings are gzip/);
    const broken = await answerOf(put, post(pathOf(put), type, bytes("x"), { "content-encoding": "gzip" }));
    assert.equal(broken, {
      ok: false,
      code: "invalid_argument",
      message: "Cannot decompress the request: it is not gzip: compress it with gzip or not at all",
      details: [],
    }, type);
  }
});

test("a bomb of zeros is not unfolded", async () => {
  const bomb = await gzip(new Uint8Array(LIMIT + 1));
  assert.ok(bomb.length < 100_000);
  for (const type of ["application/proto", "application/json"]) {
    const answer = await answerOf(put, post(pathOf(put), type, bomb, { "content-encoding": "gzip" }));
    assert.ok(!answer.ok && answer.code === "invalid_argument", type);
    assert.match(answer.message, TOO_LARGE);
  }
});

test("a body above the limit is refused, announced or not, on every path", async () => {
  for (const caller of CALLERS.filter((each) => !each.isSafeOnly && !each.name.includes("gzip"))) {
    const type = (await caller.request(GET_A, BASE)).headers.get("content-type")!;
    // Letters are base64 and stand for three quarters of their number.
    const length = caller.name === "gRPC-Web, text" ? 4 * Math.ceil((LIMIT + 1) / 3) : LIMIT + 1;
    for (const body of [new Uint8Array(length).fill(65), endless()]) {
      const headers: Record<string, string> = { "content-type": type };
      if (body instanceof Uint8Array) headers["content-length"] = String(body.length);
      const request = new Request(BASE + pathOf(put), { method: "POST", headers, body });
      const answer = await caller.answer(call(put, {}), await ask(request));
      assert.ok(!answer.ok && answer.code === "invalid_argument", caller.name);
      assert.match(answer.message, TOO_LARGE, caller.name);
    }
  }
});

test("an answer above the limit is refused", async () => {
  const keys = Array.from({ length: 65 }, () => bytes("big"));
  await ask(
    await CALLERS[0]!.request(call(put, { key: bytes("big"), value: new Uint8Array(1_048_576) }), BASE),
  );
  const answer = await askBy(CALLERS[0]!, call(KvService.method.getMany, { keys }));
  assert.equal(answer, {
    ok: false,
    code: "invalid_argument",
    message: "Cannot answer: the values of these keys have 68157440 bytes, the limit is 67108864 " +
      "(RESPONSE_BYTES_MAX): read fewer keys at a time",
    details: [],
  });
});

test("a caller that leaves in the middle of its body or of its wait does no harm", async () => {
  await withServer(async (port) => {
    const head = (type: string) => `POST ${pathOf(put)} HTTP/1.1\r\nhost: x\r\ncontent-type: ${type}\r\n`;
    const slow = [10, 4, ...bytes("slow")];
    const broken: readonly Uint8Array[] = [
      bytes(head("application/proto") + "content-length: 1000\r\n\r\nabc"),
      bytes(head("application/json") + "content-length: 1000\r\n\r\n{"),
      bytes(head("application/proto") + "transfer-encoding: chunked\r\n\r\n5\r\nab"),
      bytes(head("application/proto") + "transfer-encoding: chunked\r\n\r\nzz\r\nab"),
      Uint8Array.of(
        ...bytes(head("application/proto") + "connect-timeout-ms: 50\r\ncontent-length: 6\r\n\r\n"),
        ...slow,
      ),
    ];
    for (const part of broken) {
      const connection = await Deno.connect({ port });
      await connection.write(part);
      connection.close();
    }
    const request = await CALLERS[0]!.request(call(put, { key: bytes("after") }), `http://127.0.0.1:${port}`);
    assert.is((await fetch(request)).status, 200);
  });
});

test("an oversized body over a socket is answered", async () => {
  await withServer(async (port) => {
    const url = `http://127.0.0.1:${port}${pathOf(put)}`;
    for (const body of [new Uint8Array(LIMIT + 1), endless(LIMIT + 1)]) {
      const headers = { "content-type": "application/proto" };
      const answer = await connectAnswer(call(put, {}), await fetch(url, { method: "POST", headers, body }));
      assert.ok(!answer.ok && answer.code === "invalid_argument");
      assert.match(answer.message, TOO_LARGE);
    }
  });
});

test.run();

/** A body that announces no length; never ends unless told when. */
function endless(bytesMax = Infinity): ReadableStream<Uint8Array> {
  let sent = 0;
  return new ReadableStream({
    pull(controller) {
      if (sent >= bytesMax) return controller.close();
      controller.enqueue(new Uint8Array(65_536).fill(65));
      sent += 65_536;
    },
  });
}

async function withServer(body: (port: number) => Promise<void>): Promise<void> {
  const listener = new OwnPort(router());
  try {
    await body(Number(listener.address.split(":")[1]));
  } finally {
    await listener.close();
  }
}

function assertNames(answer: Answer, name: string): void {
  const told = JSON.stringify(answer);
  assert.ok(!answer.ok, told);
  assert.equal([answer.code, answer.message.includes(`"${name}"`)], ["invalid_argument", true], told);
}
