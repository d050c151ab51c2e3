/**
 * Header compression by the examples of RFC 7541, appendix C, its errors by the sections that name them, and
 * blocks of chance.
 *
 * @module
 */

import { assert, suite } from "../../../tests/harness.ts";
import { Growth } from "../../../tests/support/growth.ts";
import { PROOF_LIMIT_MS, proofSize } from "../../../tests/support/proof_size.ts";
import { SeededRandom } from "../../../tests/support/seeded_random.ts";
import { HpackDecoder, type HpackDecoderOptions, HpackError } from "./decoder.ts";
import { encodeFields, encodeStatus, fieldBytesMax } from "./encoder.ts";
import { HUFFMAN_CODES, HUFFMAN_LENGTHS } from "./huffman.ts";

const test = suite("hpack");
const FUZZ_ROUNDS = proofSize("hpack");

/** Blocks of one connection: what is in each, and the size of the table after it. */
interface Example {
  readonly section: string;
  readonly tableBytesMax?: number;
  readonly blocks: readonly (readonly [hex: string, fields: string, tableBytes: number])[];
}

const REQUESTS = [
  ":method: GET|:scheme: http|:path: /|:authority: www.example.com",
  ":method: GET|:scheme: http|:path: /|:authority: www.example.com|cache-control: no-cache",
  ":method: GET|:scheme: https|:path: /index.html|:authority: www.example.com|custom-key: custom-value",
] as const;
const LOCATION = "location: https://www.example.com";
const RESPONSES = [
  `:status: 302|cache-control: private|date: Mon, 21 Oct 2013 20:13:21 GMT|${LOCATION}`,
  `:status: 307|cache-control: private|date: Mon, 21 Oct 2013 20:13:21 GMT|${LOCATION}`,
  `:status: 200|cache-control: private|date: Mon, 21 Oct 2013 20:13:22 GMT|${LOCATION}|` +
  "content-encoding: gzip|set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
] as const;

const EXAMPLES: readonly Example[] = [
  {
    section: "C.2.1",
    blocks: [["400a637573746f6d2d6b65790d637573746f6d2d686561646572", "custom-key: custom-header", 55]],
  },
  { section: "C.2.2", blocks: [["040c2f73616d706c652f70617468", ":path: /sample/path", 0]] },
  { section: "C.2.3", blocks: [["100870617373776f726406736563726574", "password: secret", 0]] },
  { section: "C.2.4", blocks: [["82", ":method: GET", 0]] },
  {
    section: "C.3",
    blocks: [
      ["828684410f7777772e6578616d706c652e636f6d", REQUESTS[0], 57],
      ["828684be58086e6f2d6361636865", REQUESTS[1], 110],
      ["828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565", REQUESTS[2], 164],
    ],
  },
  {
    section: "C.4",
    blocks: [
      ["828684418cf1e3c2e5f23a6ba0ab90f4ff", REQUESTS[0], 57],
      ["828684be5886a8eb10649cbf", REQUESTS[1], 110],
      ["828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf", REQUESTS[2], 164],
    ],
  },
  {
    section: "C.5",
    tableBytesMax: 256,
    blocks: [
      [
        "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54" +
        "6e1768747470733a2f2f7777772e6578616d706c652e636f6d",
        RESPONSES[0],
        222,
      ],
      ["4803333037c1c0bf", RESPONSES[1], 222],
      [
        "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d" +
        "4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b20766572" +
        "73696f6e3d31",
        RESPONSES[2],
        215,
      ],
    ],
  },
  {
    section: "C.6",
    tableBytesMax: 256,
    blocks: [
      [
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b" +
        "97c8e9ae82ae43d3",
        RESPONSES[0],
        222,
      ],
      ["4883640effc1c0bf", RESPONSES[1], 222],
      [
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdf" +
        "cd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
        RESPONSES[2],
        215,
      ],
    ],
  },
];

for (const { section, tableBytesMax, blocks } of EXAMPLES) {
  test(`the examples of RFC 7541, ${section}`, () => {
    const decoder = newDecoder(tableBytesMax === undefined ? {} : { tableBytesMax });
    for (const [hex, fields, tableBytes] of blocks) {
      assert.is(decodeText(decoder, hex), fields);
      assert.is(decoder.tableBytes, tableBytes);
    }
  });
}

test("the Huffman code is that of appendix B, at its ends and in between", () => {
  const codeOf = (symbol: number) =>
    HUFFMAN_CODES[symbol]!.toString(2).padStart(HUFFMAN_LENGTHS[symbol]!, "0");
  assert.is(codeOf(48), "00000");
  assert.is(codeOf(97), "00011");
  assert.is(codeOf(32), "010100");
  assert.is(codeOf(90), "11111101");
  assert.is(codeOf(0), "1111111111000");
  assert.is(codeOf(10), "1".repeat(28) + "00");
  assert.is(codeOf(256), "1".repeat(30));
  let kraft = 0;
  for (const length of HUFFMAN_LENGTHS) kraft += 2 ** -length;
  assert.is(kraft, 1, "a complete code");
});

test("every byte survives the Huffman code", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte);
  const coded = huffman(bytes);
  const block = [0x00, 1, 0x61, ...integer(coded.length, 7, 0x80), ...coded];
  const value = newDecoder().decode(Uint8Array.from(block)).fields[0]!.value;
  assert.equal(Uint8Array.from(value, (char) => char.charCodeAt(0)), bytes);
});

const BROKEN: readonly (readonly [what: string, hex: string])[] = [
  ["2.3.3: index 0", "80"],
  ["2.3.3: an index beyond both tables", "be"],
  ["2.3.3: a name's index beyond both tables", "7f0001 61"],
  ["5.1: an integer without an end", "ff"],
  ["5.1: an integer that goes on for ever", "ff80808080808080808080"],
  ["5.1: an integer above the bounds", "ffffffffffff7f"],
  ["5.2: a string beyond the block", "00056162"],
  ["5.2: no string at all", "00"],
  ["5.2: no value", "000161"],
  ["5.2: a padding of zeros", "0001618118"],
  ["5.2: a padding of a whole byte", "000161821fff"],
  ["5.2: the end of a string within it", "00016184ffffffff"],
  ["4.2: a table size update behind a field", "8220"],
  ["6.3: a table size above the limit", "3fe21f"],
];

for (const [what, hex] of BROKEN) {
  test(`refused: ${what}`, () => {
    assert.throws(() => newDecoder().decode(fromHex(hex)), (error: Error) => error instanceof HpackError);
  });
}

test("two table size updates at the beginning count one after the other", () => {
  const decoder = newDecoder();
  decodeText(decoder, "4001610162");
  assert.is(decodeText(decoder, "20" + "3fe11f" + "4001610163"), "a: c");
  assert.is(decoder.tableBytes, 34, "the first one emptied the table, the second one lets it grow again");
});

test("a table size update empties the table as far as it must", () => {
  const decoder = newDecoder();
  decodeText(decoder, "4001610162" + "4001630164");
  assert.is(decoder.tableBytes, 68);
  assert.is(decodeText(decoder, "3f0f" + "be"), "c: d", "46 bytes are left");
  assert.is(decoder.tableBytes, 34);
  assert.throws(() => decoder.decode(fromHex("bf")));
});

test("an entry larger than the table empties it and is not kept", () => {
  const decoder = newDecoder({ tableBytesMax: 64 });
  decodeText(decoder, "4001610162");
  const large = [0x40, 1, 0x61, 40, ...new Uint8Array(40).fill(0x62)];
  assert.is(decoder.decode(Uint8Array.from(large)).fields[0]!.value.length, 40);
  assert.is(decoder.tableBytes, 0);
});

test("a bomb of references to one large entry is not unfolded", () => {
  const decoder = newDecoder({ listBytesMax: 65_536 });
  const value = new Uint8Array(4_000).fill(0x62);
  decoder.decode(Uint8Array.from([0x40, 1, 0x61, ...integer(value.length, 7, 0), ...value]));
  const { fields, isTooLarge } = decoder.decode(new Uint8Array(60_000).fill(0xbe));
  assert.ok(isTooLarge);
  assert.is(fields.length, 16, "as many as 65,536 bytes have room for");
  assert.is(decodeText(decoder, "82"), ":method: GET", "the connection goes on");
});

test("a block that repeats the last one is given again, as long as it means the same", () => {
  const decoder = newDecoder();
  decodeText(decoder, "4001610162");
  const first = decoder.decode(fromHex("be82"));
  assert.ok(decoder.remembers(first));
  assert.ok(decoder.decode(fromHex("be82")) === first);
  assert.is(decodeText(decoder, "be"), "a: b", "a beginning is another block");
  assert.is(decodeText(decoder, "be84"), "a: b|:path: /");
  decodeText(decoder, "4001630164");
  assert.is(decodeText(decoder, "be84"), "c: d|:path: /", "an entry came before");
  assert.is(decodeText(decoder, "3f0f" + "be84"), "c: d|:path: /");
  assert.is(decodeText(decoder, "20" + "82"), ":method: GET");
  assert.throws(() => decoder.decode(fromHex("be84")), "the table is empty");
});

test("a long block is not remembered", () => {
  const decoder = newDecoder();
  const block = new Uint8Array(257).fill(0x82);
  assert.not(decoder.remembers(decoder.decode(block)));
  assert.ok(decoder.remembers(decoder.decode(block.subarray(1))));
});

test("what the encoder writes the decoder reads", () => {
  const random = new SeededRandom(11);
  const decoder = newDecoder({ listBytesMax: 1e9 });
  for (let round = 0; round < 500; round++) {
    const names = ["content-type", "grpc-status", "x".repeat(random.below(300) + 1), "date", "via"];
    const fields = Array.from({ length: random.below(6) }, () =>
      [
        random.pick(names),
        String.fromCharCode(...random.bytes(random.below(random.chance(5) ? 20_000 : 200))),
      ] as const);
    const status = random.pick([200, 204, 404, 500, 503, 429, 301]);
    const target = new Uint8Array(5 + fieldBytesMax(fields));
    const end = encodeFields(fields, target, encodeStatus(status, target, 0));
    const read = decoder.decode(target.subarray(0, end)).fields.map(({ name, value }) => [name, value]);
    assert.equal(read, [[":status", String(status)], ...fields]);
  }
});

test("blocks of chance are read or refused, and nothing grows", () => {
  const random = new SeededRandom(7541);
  let decoder = newDecoder();
  let refused = 0;
  const growth = new Growth(FUZZ_ROUNDS);
  for (let round = 0; round < FUZZ_ROUNDS; round++) {
    growth.note();
    const block = random.bytes(random.below(60));
    if (random.chance(50)) mendBlock(block, random);
    try {
      const { fields } = decoder.decode(block);
      assert.ok(fields.length <= block.length);
    } catch (error) {
      assert.ok(error instanceof HpackError, String(error));
      refused++;
      decoder = newDecoder();
    }
    assert.ok(decoder.tableBytes <= 4_096);
  }
  assert.ok(refused > FUZZ_ROUNDS / 10 && refused < FUZZ_ROUNDS, "both happen");
  console.log(`${FUZZ_ROUNDS} blocks, ${refused} refused; ${growth.check()}`);
}, { limitMs: PROOF_LIMIT_MS });

test.run();

function newDecoder(options: Partial<HpackDecoderOptions> = {}): HpackDecoder {
  return new HpackDecoder({ listBytesMax: 65_536, ...options });
}

function decodeText(decoder: HpackDecoder, hex: string): string {
  return decoder.decode(fromHex(hex)).fields.map(({ name, value }) => `${name}: ${value}`).join("|");
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.replaceAll(" ", "").match(/../g) ?? [], (byte) => parseInt(byte, 16));
}

function integer(value: number, prefixBits: number, flags: number): number[] {
  const full = (1 << prefixBits) - 1;
  if (value < full) return [flags | value];
  const bytes = [flags | full];
  for (value -= full; value >= 128; value >>= 7) bytes.push((value & 127) | 128);
  return [...bytes, value];
}

/** Slow and obvious. */
function huffman(bytes: Uint8Array): number[] {
  let bits = "";
  for (const byte of bytes) bits += HUFFMAN_CODES[byte]!.toString(2).padStart(HUFFMAN_LENGTHS[byte]!, "0");
  bits += "1".repeat((8 - (bits.length % 8)) % 8);
  return bits.match(/.{8}/g)!.map((byte) => parseInt(byte, 2));
}

/** Makes it likelier that a block goes on for some fields: indexes that are there, lengths that fit. */
function mendBlock(block: Uint8Array, random: SeededRandom): void {
  for (let at = 0; at < block.length;) {
    if (random.chance(50)) block[at++] = 0x81 + random.below(60);
    else if (at + 4 >= block.length) block[at++] = 0x82;
    else {
      block[at] = random.pick([0x00, 0x10, 0x40]);
      block[at + 1] = 1;
      const room = block.length - at - 4;
      block[at + 3] = random.below(Math.min(room, 20)) | (random.chance(20) ? 0x80 : 0);
      at += 4 + (block[at + 3]! & 0x7f);
    }
  }
}
