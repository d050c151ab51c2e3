/**
 * `deno task wasm`: compiles `assembly/mod.ts` and writes the module as base64 text into `build/`, or into
 * the folder named by the only argument. As text, because what is imported as text goes along into a bundle
 * and into a single program; a file that lies beside a module stays behind.
 *
 * @module
 */

import asc from "assemblyscript/asc";
import { MEMORY_PAGES } from "./layout.ts";

const ROOT = new URL("../", import.meta.url);
const SOURCE = "wal-wasm/assembly/mod.ts";
const OUTPUT = "wal.wasm.b64";
/** Characters of a line of base64, as in mail (RFC 2045, section 6.8). */
const COLUMNS = 76;

const OPTIONS: readonly string[] = [
  "-O3",
  "--noAssert",
  ...["--runtime", "stub"],
  ...["--enable", "simd", "--enable", "relaxed-simd", "--enable", "bulk-memory"],
  // It never grows: views of its memory stay whole.
  ...["--initialMemory", `${MEMORY_PAGES}`, "--maximumMemory", `${MEMORY_PAGES}`],
];

if (import.meta.main) {
  const folder = Deno.args[0] ?? new URL("wal-wasm/build", ROOT).pathname;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/${OUTPUT}`, textOf(await compile()));
}

/** @throws {Error} with the compiler's complaints */
async function compile(): Promise<Uint8Array> {
  const written = new Map<string, Uint8Array>();
  const { error, stderr } = await asc.main([SOURCE, "--outFile", "wal.wasm", ...OPTIONS], {
    readFile: (name) => Deno.readTextFile(new URL(name, ROOT)).catch(() => null),
    writeFile: (name, contents) => void written.set(name, contents as Uint8Array),
    listFiles: () => [],
  });
  const module = written.get("wal.wasm");
  if (error === null && module !== undefined) return module;
  throw new Error(`Cannot compile ${SOURCE}: ${error?.message}\n${stderr}`);
}

function textOf(bytes: Uint8Array): string {
  const text = bytes.toBase64();
  return text.match(new RegExp(`.{1,${COLUMNS}}`, "g"))!.map((line) => `${line}\n`).join("");
}
