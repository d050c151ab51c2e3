/**
 * The committed module is the one its source gives, imports nothing and cannot grow.
 *
 * @module
 */

import { checkLayout } from "../../wal-wasm/layout.ts";
import { assert, assertRejects, suite } from "../harness.ts";

const test = suite("wal.wasm");

const root = new URL("../../", import.meta.url);
const OUT = "wal.wasm.b64";
const committed = Deno.readTextFileSync(new URL(`wal-wasm/build/${OUT}`, root));

test("building it again gives the same bytes", async () => {
  const { tasks } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", root)));
  const [program, ...args] = (tasks.wasm as string).split(" ");
  assert.is(program, "deno");
  const target = Deno.makeTempDirSync();
  try {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...args, target],
      cwd: root.pathname,
    }).output();
    assert.is(code, 0, new TextDecoder().decode(stderr));
    assert.is(Deno.readTextFileSync(`${target}/${OUT}`), committed);
  } finally {
    Deno.removeSync(target, { recursive: true });
  }
});

test("it imports nothing and its memory is fixed", () => {
  const module = new WebAssembly.Module(Uint8Array.fromBase64(committed));
  assert.equal(WebAssembly.Module.imports(module), []);
  const memory = new WebAssembly.Instance(module).exports.memory as WebAssembly.Memory;
  assert.throws(() => memory.grow(1));
});

test("a module with another layout is refused by the name of what differs", async () => {
  const module = new WebAssembly.Module(Uint8Array.fromBase64(committed));
  const { exports } = new WebAssembly.Instance(module);
  checkLayout(exports);
  const other = { ...exports, STAGE: new WebAssembly.Global({ value: "i32" }, 5) };
  await assertRejects(
    () => checkLayout(other),
    (error) => /STAGE must be 65536: it is 5/.test(error.message),
  );
});

test.run();
