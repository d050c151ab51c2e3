/**
 * What is kept does not keep alive what is not.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { encodeCommand } from "./command.ts";
import { encodeOutcome } from "./outcome.ts";
import { keptBytes, passingBytes } from "./slab.ts";

const test = suite("slabs");

test("pieces do not overlap and begin with zeros", () => {
  for (const cut of [keptBytes, passingBytes]) {
    const [first, second] = [cut(10), cut(20)];
    first.fill(1);
    assert.equal([...second], Array(20).fill(0));
    assert.equal([first.length, cut(0).length, cut(5_000).length], [10, 0, 5_000]);
  }
});

test("commands lie beside commands, however many answers are made between them", () => {
  const put = { kind: "put", key: new Uint8Array(10), value: new Uint8Array(80), ttlMs: 0 } as const;
  const commands = Array.from({ length: 100 }, () => {
    for (let answers = 0; answers < 50; answers++) {
      passingBytes(900);
      encodeOutcome({ kind: "applied", version: 5, existed: [] });
    }
    return encodeCommand([{ ...put, precondition: undefined }], undefined);
  });
  const buffers = new Set(commands.map(({ buffer }) => buffer));
  assert.ok(buffers.size <= 2, `${buffers.size} buffers for ${commands.length} commands`);
});

test.run();
