/**
 * Every ban of `lint_plugin.ts` on a small file that breaks it, and on neighbours that must pass. `deno lint`
 * runs once over a copy of the house with only these files in it.
 *
 * @module
 */

import { assert, suite } from "./harness.ts";
import { FUNCTION_LINES_MAX } from "./lint_plugin.ts";

const test = suite("lint plugin");

/** A file, and the rules that must complain about it, once or more. */
interface Case {
  readonly path: string;
  readonly source: string;
  readonly rules: readonly string[];
}

const PURE = "prkdb/pure-core";
const BIGINT = "prkdb/no-bigint-in-core";
const BANNED = "prkdb/banned-syntax";
const LINES = "prkdb/function-lines";

const IMPURE_SOURCES: readonly string[] = [
  "export const home = Deno.cwd();",
  "export const now = Date.now();",
  "export function at(date: Date): string { return String(date); }",
  "export const chance = Math.random();",
  'export const chance = Math["random"]();',
  "setTimeout(() => 1, 1);",
  "export const timer = setInterval;",
  "queueMicrotask(() => 1);",
  'console.log("x");',
  "export const now = performance.now();",
  "export const id = crypto.randomUUID();",
  'export const page = fetch("x");',
  "export const world = globalThis;",
  "export const shorthand = { performance };",
  "export type Later = Promise<number>;",
  "export async function later() { }",
  "export const later = async () => {};",
  "export const later = { async run() {} };",
  'import { readFileSync } from "node:fs";\nexport { readFileSync };',
  'export const lazy = () => import("./other.ts");',
];

const PURE_SOURCES: readonly string[] = [
  "export interface View { readonly performance: number; crypto(): number }",
  "export const view = { performance: 1, console: 2, Date: 3 };",
  "export function performanceOf(view: { performance: number }) { return view.performance; }",
  'import { other } from "./other.ts";\nexport const copy = Math.max(other, 1);',
  'import { Promise as Vow } from "./other.ts";\nexport const copy = Vow;',
];

const BANNED_SOURCES: readonly string[] = [
  "export default 1;",
  "const one = 1;\nexport { one as default };",
  "export namespace Old { export const one = 1; }",
  "declare function mark(value: unknown, context: unknown): void;\n@mark\nexport class Marked {}",
  "export const watched = new Proxy({}, {});",
];

const BIGINT_SOURCES: readonly string[] = [
  "export const one = 1n;",
  "export type Wide = bigint;",
  'export const wide = BigInt("1");',
];

const CASES: readonly Case[] = [
  ...numbered("raft/impure", IMPURE_SOURCES, [PURE]),
  ...numbered("server/kv/impure", IMPURE_SOURCES, [PURE]),
  { path: "raft/waits.ts", source: "await 1;", rules: [PURE] },
  { path: "raft/loops.ts", source: "for await (const _ of []) break;", rules: [PURE] },
  ...numbered("raft/pure", PURE_SOURCES, []),
  ...numbered("server/impure_outside", IMPURE_SOURCES, []),
  // A folder of the same name elsewhere is another room.
  ...numbered("tests/raft/impure", IMPURE_SOURCES, []),
  { path: "raft/impure_test.ts", source: "export const now = Date.now();", rules: [] },
  ...numbered("raft/wide", BIGINT_SOURCES, [BIGINT]),
  ...numbered("server/wide", BIGINT_SOURCES, [BIGINT]),
  ...numbered("server/rpc/wide", BIGINT_SOURCES, []),
  ...numbered("client/wide", BIGINT_SOURCES, []),
  ...numbered("client/banned", BANNED_SOURCES, [BANNED]),
  ...numbered("tests/banned", BANNED_SOURCES, [BANNED]),
  { path: "wal-wasm/assembly/decorated.ts", source: BANNED_SOURCES[3]!, rules: [] },
  { path: "client/long.ts", source: functionOfLines(FUNCTION_LINES_MAX + 1), rules: [LINES] },
  { path: "client/long_enough.ts", source: functionOfLines(FUNCTION_LINES_MAX), rules: [] },
];

test("every ban is enforced, and only where it holds", async () => {
  const house = await Deno.makeTempDir();
  try {
    await buildHouse(house);
    const found = await lint(house);
    for (const { path, source, rules } of CASES) {
      assert.equal(found.get(path) ?? [], rules, `${path}: ${source}`);
    }
  } finally {
    await Deno.remove(house, { recursive: true });
  }
});

test.run();

function numbered(stem: string, sources: readonly string[], rules: readonly string[]): Case[] {
  return sources.map((source, number) => ({ path: `${stem}_${number}.ts`, source, rules }));
}

function functionOfLines(lines: number): string {
  return `export function long() {\n${"  void 0;\n".repeat(lines - 2)}}`;
}

async function buildHouse(house: string): Promise<void> {
  const config = { lint: { plugins: ["./tests/lint_plugin.ts"], rules: { tags: [] } } };
  await write(`${house}/deno.json`, JSON.stringify(config));
  const plugin = await Deno.readTextFile(new URL("./lint_plugin.ts", import.meta.url));
  await write(`${house}/tests/lint_plugin.ts`, plugin);
  for (const { path, source } of CASES) await write(`${house}/${path}`, source + "\n");
}

async function write(path: string, text: string): Promise<void> {
  await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  await Deno.writeTextFile(path, text);
}

/** The rules that complained, by path below `house`. */
async function lint(house: string): Promise<Map<string, string[]>> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["lint", "--json"],
    cwd: house,
    stdout: "piped",
    stderr: "piped",
  });
  const { stdout } = await command.output();
  const report = JSON.parse(new TextDecoder().decode(stdout)) as {
    readonly diagnostics: readonly { readonly filename: string; readonly code: string }[];
    readonly errors: readonly unknown[];
  };
  assert.equal(report.errors, []);
  const found = new Map<string, string[]>();
  const root = await Deno.realPath(house);
  for (const { filename, code } of report.diagnostics) {
    const path = decodeURIComponent(new URL(filename, "file:").pathname).slice(root.length + 1);
    found.set(path, [...new Set([...(found.get(path) ?? []), code])]);
  }
  return found;
}
