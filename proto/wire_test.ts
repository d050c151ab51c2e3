/**
 * The wire format by hand against the generated code's reader and writer: every length of numbers, fields
 * that nobody reads, nested messages in both ways of writing, and bytes that are no message.
 *
 * @module
 */

import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { assert, suite } from "../tests/harness.ts";
import { bigVarintSize, bytesFieldSize, numberFieldSize, varintSize } from "./varint.ts";
import { WireReader } from "./wire_reader.ts";
import { WireWriter } from "./wire_writer.ts";

const test = suite("wire");

/** Around every border of the length. */
const BIG = Array.from({ length: 65 }, (_, bits) => 2n ** BigInt(bits))
  .flatMap((power) => [power - 1n, power, power + 1n]).filter((value) => value < 2n ** 64n);
const NUMBERS = BIG.filter((value) => value <= Number.MAX_SAFE_INTEGER).map(Number);

const isRangeError = (error: Error) => error instanceof RangeError;

test("numbers of every length are written and measured as by the generated code, and read back", () => {
  for (const value of NUMBERS) {
    const expected = new BinaryWriter().tag(3, 0).uint64(value).finish();
    const writer = new WireWriter(new Uint8Array(1 + varintSize(value)));
    writer.explicitNumber(3, value);
    const bytes = writer.finishMeasured();
    assert.equal(bytes, expected, `${value}`);
    if (value > 0) assert.is(numberFieldSize(value), bytes.length);
    const reader = new WireReader(bytes);
    assert.ok(reader.next());
    assert.is(reader.number(), value);
    assert.not(reader.next());
  }
});

test("numbers of 64 bits likewise", () => {
  for (const value of BIG) {
    const expected = new BinaryWriter().tag(1, 0).uint64(value).finish();
    const writer = new WireWriter(new Uint8Array(1 + bigVarintSize(value)));
    writer.bigint(1, value);
    const bytes = writer.finishMeasured();
    assert.equal(bytes, expected, `${value}`);
    const reader = new WireReader(bytes);
    assert.ok(reader.next());
    assert.is(reader.bigint(), value);
  }
});

test("a number above 2^53 - 1 is refused, not rounded, and passed over where nobody reads it", () => {
  const bytes = new BinaryWriter().tag(1, 0).uint64(2n ** 53n).tag(2, 0).uint32(7).finish();
  const reader = new WireReader(bytes);
  reader.next();
  assert.throws(() => reader.number(), /2\^53/);
  const other = new WireReader(bytes);
  assert.ok(other.next() && other.next());
  assert.is(other.field, 2);
  assert.is(other.number(), 7);
});

test("a number of more than 64 bits or 10 bytes is refused", () => {
  for (const last of [[0x02], [0x81, 0x00]]) {
    const bytes = Uint8Array.of(0x08, ...new Array(9).fill(0xff), ...last);
    const reader = new WireReader(bytes);
    reader.next();
    assert.throws(() => reader.bigint(), isRangeError);
  }
});

test("what is nested is the same measured and patched, and is read without its neighbours", () => {
  const growing = new WireWriter();
  const start = growing.beginMessage(1);
  growing.text(1, "ü€😀");
  growing.numbers(2, [1, 300, 2 ** 40]);
  growing.endMessage(start);
  growing.number(2, 5);
  const measured = new WireWriter(new Uint8Array(bytesFieldSize(bytesFieldSize(9)) + 2));
  measured.open(1, bytesFieldSize(9));
  measured.text(1, "ü€😀");
  measured.number(2, 5);
  const readers = [growing.finish(), measured.finishMeasured()].map((bytes) => new WireReader(bytes));
  const [patched] = readers.map((reader) => {
    assert.ok(reader.next());
    const inner = reader.message((nested) => {
      nested.next();
      return { text: nested.text(), numbers: nested.next() ? nested.numbers() : undefined };
    });
    assert.ok(reader.next());
    assert.is(reader.number(), 5);
    assert.not(reader.next());
    assert.is(inner.text, "ü€😀");
    return inner;
  });
  assert.equal(patched!.numbers, [1, 300, 2 ** 40]);
});

test("a nested message that is left half read does not disturb what follows", () => {
  const bytes = new BinaryWriter()
    .tag(1, 2).fork().tag(1, 0).uint32(1).tag(2, 2).string("rest").join()
    .tag(2, 0).uint32(9).finish();
  const reader = new WireReader(bytes);
  reader.next();
  reader.message((nested) => nested.next());
  assert.ok(reader.next());
  assert.is(reader.number(), 9);
});

test("a nested message cannot reach beyond its end, nor a field beyond its message", () => {
  for (const bytes of [[0x0a, 5, 1], [0x0a, 2, 0x12, 9], [0x0a, 1, 0x08, 1], [0x0a, 0x80]]) {
    const reader = new WireReader(Uint8Array.from(bytes));
    assert.throws(() => {
      while (reader.next()) {
        reader.message((nested) => {
          while (nested.next());
        });
      }
    }, isRangeError);
  }
});

test("a field of another wire type is refused", () => {
  const reader = new WireReader(new BinaryWriter().tag(1, 2).string("x").finish());
  reader.next();
  assert.throws(() => reader.number(), isRangeError);
});

test("a buffer that was measured wrongly is not handed out", () => {
  const long = new WireWriter(new Uint8Array(10));
  long.number(1, 5);
  assert.throws(() => long.finishMeasured(), /2 bytes were written where 10 were measured/);
  const short = new WireWriter(new Uint8Array(1));
  short.number(1, 5);
  assert.throws(() => short.finishMeasured(), /2 bytes were written where 1 were measured/);
});

test("large fields, field numbers above 15 and views survive the growing buffer", () => {
  const writer = new WireWriter();
  const value = new Uint8Array(200_000).fill(7);
  writer.bytes(300, value);
  writer.number(2 ** 28 - 1, 1);
  const reader = new BinaryReader(writer.view().slice());
  assert.equal(reader.tag(), [300, 2]);
  assert.equal(reader.bytes(), value);
  const own = new WireReader(writer.finish());
  assert.ok(own.next());
  assert.is(own.field, 300);
  assert.equal(own.copy(), value);
  assert.ok(own.next());
  assert.is(own.field, 2 ** 28 - 1);
});

test("bytes and numbers without fields end where the input ends", () => {
  const reader = new WireReader(Uint8Array.of(1, 0x80, 1, 2, 9, 8, 7));
  assert.is(reader.byte(), 1);
  assert.is(reader.varint(), 128);
  assert.equal(reader.lengthPrefixed(), Uint8Array.of(9, 8));
  assert.is(reader.left, 1);
  assert.throws(() => reader.mustEnd(), /1 bytes after the end/);
  assert.equal(reader.rest(), Uint8Array.of(7));
  reader.mustEnd();
  assert.throws(() => reader.byte(), isRangeError);
});

test.run();
