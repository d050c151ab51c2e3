/**
 * Holds the house to its rules: imports, circles, orphans, lengths, module comments, forbidden words, pins,
 * exported names, chance in tests.
 * Each rule is tried on a small house that breaks it before it judges this one.
 *
 * @module
 */

import { assert, suite } from "./harness.ts";
import {
  circles,
  importComplaints,
  inlinePackageComplaints,
  orphans,
  roomSizeComplaints,
  staircaseComplaints,
  unusedPackages,
} from "./tidy/house_rules.ts";
import { type ModuleGraph, readModuleGraph } from "./tidy/module_graph.ts";
import { exportedNameComplaints } from "./tidy/name_rules.ts";
import {
  commandPinComplaints,
  denoVersions,
  FILE_LINES_MAX,
  pinComplaints,
  textComplaints,
  unseededComplaints,
} from "./tidy/text_rules.ts";

const test = suite("tidy");
const root = new URL("../", import.meta.url);
const SKIPPED_FOLDERS = new Set([
  ".git/",
  "node_modules/",
  "dist/",
  "data/",
  "proto/gen/",
  "wal-wasm/build/",
]);
const TEXT_FILE = /(\.(ts|md|json|yaml|yml|proto|sh|txt|html)|\.ci\/run)$/;

const texts = new Map<string, string>();
for (const path of listFiles("")) texts.set(path, await Deno.readTextFile(new URL(path, root)));
const modules = [...texts.keys()].filter((path) => path.endsWith(".ts"));
const generated = [...listFiles("proto/gen/")];
const graph = await readModuleGraph(root, [...modules, ...generated]);
const manifest = JSON.parse(texts.get("deno.json")!) as {
  readonly imports: Readonly<Record<string, string>>;
  readonly tasks: Readonly<Record<string, unknown>>;
};

test("imports go down, through the doors, and lead somewhere", () => {
  nothing(importComplaints(graph));
});

test("rooms form a staircase, and none holds too many files", () => {
  nothing(staircaseComplaints());
  nothing(roomSizeComplaints(graph));
});

test("packages are imported by the names that deno.json pins", () => {
  nothing(inlinePackageComplaints(graph));
  nothing(pinComplaints(manifest.imports));
  for (const path of ["deno.json", ".ci/run"]) nothing(commandPinComplaints(path, texts.get(path)!));
});

test("every pinned package is needed", () => {
  const tests = [...texts].filter(([path]) => path.endsWith("_test.ts")).map(([, text]) => text);
  const usedIn = [...Object.values(manifest.tasks), ...tests].join("\n");
  nothing(unusedPackages(graph, { names: Object.keys(manifest.imports), usedIn }));
});

test("no file takes part in a circle of imports", () => {
  nothing(circles(graph).map((circle) => circle.join(" ↔ ")));
});

test("every file is needed by an entry", () => {
  const inTasks = [...JSON.stringify(manifest.tasks).matchAll(/[\w./-]+\.ts/g)].map(([path]) => path);
  const byUrl = [...texts].flatMap(([path, text]) =>
    [...text.matchAll(/new URL\("(\.[^"]+\.ts)", import\.meta\.url\)/g)]
      .map(([, target]) => new URL(target!, new URL(path, root)).href.slice(root.href.length))
  );
  nothing(orphans(graph, [...inTasks, ...byUrl]));
});

test("files are short, open with their comment and hold no forbidden word", () => {
  nothing([...texts].flatMap(([path, text]) => textComplaints(path, text)));
});

test("an exported name means one thing", () => {
  nothing(exportedNameComplaints(texts));
});

test("tests draw from a seed", () => {
  nothing([...texts].flatMap(([path, text]) => unseededComplaints(path, text)));
});

test("every document names the same version of Deno", () => {
  const pinned = denoVersions(texts.get(".ci/run")!)[0];
  assert.ok(pinned, ".ci/run pins Deno");
  for (const [path, text] of texts) {
    for (const version of denoVersions(text)) assert.is(version, pinned, path);
  }
});

test("the plugin of deno lint is content with every file, AssemblyScript too", async () => {
  nothing(await pluginComplaints());
});

test("a bad import is refused", () => {
  const refused: readonly (readonly [string, string])[] = [
    ["raft/log.ts", "server/api/error.ts"],
    ["raft/log.ts", "proto/mod.ts"],
    ["proto/limits.ts", "raft/mod.ts"],
    ["client/client.ts", "server/mod.ts"],
    ["server/node/node.ts", "raft/log.ts"],
    ["server/kv/command.ts", "server/api/error.ts"],
    ["server/kv/command.ts", "server/cluster/mod.ts"],
    ["server/kv/mod.ts", "wal-wasm/mod.ts"],
    ["server/rpc/http.ts", "server/kv/command.ts"],
    ["server/rpc/http.ts", "server/storage/mod.ts"],
    ["server/node/node.ts", "wal-wasm/assembly/mod.ts"],
    ["server/node/node.ts", "tests/harness.ts"],
    ["server/node/node.ts", "https://example.com/x.ts"],
    ["server/node/node.ts", "server/missing.ts"],
    ["mod.ts", "raft/mod.ts"],
  ];
  for (const [from, to] of refused) {
    assert.is(
      importComplaints(house([[from, to]], { missing: "server/missing.ts" })).length,
      1,
      `${from} → ${to}`,
    );
  }
});

test("a good import is let pass", () => {
  const passed: readonly (readonly [string, string])[] = [
    ["mod.ts", "client/mod.ts"],
    ["client/cli/main.ts", "client/mod.ts"],
    ["client/client.ts", "client/routing/mod.ts"],
    ["server/node/node.ts", "raft/mod.ts"],
    ["server/rpc/http.ts", "server/api/mod.ts"],
    ["server/rpc/http.ts", "server/rpc/kv/mod.ts"],
    ["server/kv/command.ts", "proto/mod.ts"],
    ["server/rpc/http.ts", "node:fs"],
    ["server/rpc/http.ts", "npm:/left@1.0.0"],
    ["server/api/error.ts", "raft/mod.ts"],
    ["raft/log_test.ts", "tests/harness.ts"],
    ["tests/raft/log_test.ts", "raft/log.ts"],
  ];
  for (const [from, to] of passed) nothing(importComplaints(house([[from, to]])));
});

test("circles, orphans and inline packages are found", () => {
  const ring = house([["raft/a.ts", "raft/b.ts"], ["raft/b.ts", "raft/c.ts"], ["raft/c.ts", "raft/b.ts"]]);
  assert.equal(circles(ring), [["raft/b.ts", "raft/c.ts"]]);
  assert.equal(circles(house([["raft/a.ts", "raft/a.ts"]])), [["raft/a.ts"]]);
  assert.equal(orphans(house([["mod.ts", "client/a.ts"], ["client/lone.ts", "client/b.ts"]])), [
    "client/b.ts",
    "client/lone.ts",
  ]);
  assert.equal(orphans(house([["server/worker.ts", "server/a.ts"]]), ["server/worker.ts"]), []);
  assert.is(inlinePackageComplaints(house([["server/a.ts", "npm:left@1.0.0"]])).length, 1);
  const left = house([["server/a.ts", "left/pad"]]);
  assert.equal(
    unusedPackages(left, { names: ["left", "left/", "right", "tool"], usedIn: "npm:tool@1.0.0" }),
    [
      "right",
    ],
  );
});

test("a name that two files export is found", () => {
  const complaintsOf = (files: Readonly<Record<string, string>>) =>
    exportedNameComplaints(new Map(Object.entries(files)));
  const one = "export const sleep = 1;\n";
  assert.equal(complaintsOf({ "client/a.ts": one, "tests/b.ts": "export async function sleep() {}\n" }), [
    "`sleep` is exported by client/a.ts and tests/b.ts",
  ]);
  for (
    const again of [
      "export interface X {}",
      "export class X {",
      "export type X = 1;",
      "export function* X() {}",
    ]
  ) {
    assert.is(complaintsOf({ "a.ts": "export enum X {}", "b.ts": `// A file.\n${again}` }).length, 1, again);
  }
  nothing(complaintsOf({ "a.ts": `${one}export type sleep = 1;\n` }));
  nothing(complaintsOf({ "a.ts": one, "b.ts": 'export { sleep } from "./a.ts";\n' }));
  nothing(complaintsOf({ "a.ts": one, "b.ts": "const sleep = 2;\n" }));
  nothing(complaintsOf({ "wal-wasm/layout.ts": one, "wal-wasm/assembly/layout.ts": one }));
  const twice = { "wal-wasm/assembly/a.ts": one, "wal-wasm/assembly/b.ts": one };
  assert.is(complaintsOf(twice).length, 1, "a mirror of nothing");
  assert.is(complaintsOf({ "wal-wasm/assembly/a.ts": one, "client/b.ts": one }).length, 1, "no mirror");
});

test("chance without a seed is found in tests", () => {
  for (const chance of ["Math.random()", "crypto.getRandomValues(bytes)", "crypto.randomUUID()"]) {
    assert.is(unseededComplaints("tests/wal/a_test.ts", `const x = ${chance};`).length, 1, chance);
    assert.is(unseededComplaints("raft/a_test.ts", `const x = ${chance};`).length, 1, chance);
    nothing(unseededComplaints("client/a.ts", `const x = ${chance};`));
    nothing(unseededComplaints("tests/support/seeded_random.ts", `const x = ${chance};`));
  }
});

test("long files, missing comments, forbidden words and loose versions are found", () => {
  const opening = "/** x @module */\n";
  nothing(textComplaints("a.ts", opening + "\n".repeat(FILE_LINES_MAX - 1)));
  assert.is(textComplaints("a.ts", opening + "\n".repeat(FILE_LINES_MAX)).length, 1);
  assert.is(textComplaints("a.ts", "/** x */\nexport const one = 1;\n").length, 1);
  for (const word of [["FIX", "ME"].join(""), ` ${["", "home", "me"].join("/")}/x`, `"${"js" + "r:"}@a/b"`]) {
    assert.is(textComplaints("a.md", word).length, 1, word);
  }
  nothing(textComplaints("a.md", "client/home/view and https://example.com/home/"));
  nothing(pinComplaints({ a: "npm:a@1.2.3", "b/": "npm:/@b/b@1.2.3/", c: "npm:c@1.2.3-rc.1" }));
  assert.is(pinComplaints({ a: "npm:a@^1.2.3", b: "npm:b", c: "npm:c@1", d: "https://x/y.ts" }).length, 4);
  nothing(commandPinComplaints("x", "npx -y deno@2.9.6 task test, npm:@a/b@1.0.0 run"));
  assert.is(commandPinComplaints("x", "npx -y deno task; npm:@a/b generate; npm:c@latest").length, 3);
});

test.run();

function nothing(complaints: readonly string[]): void {
  assert.is(complaints.join("\n"), "");
}

/** A graph of the given arrows; every local file named is there, `missing` excepted. */
function house(arrows: readonly (readonly [string, string])[], { missing = "" } = {}): ModuleGraph {
  const built = new Map<string, { specifier: string; target: string }[]>();
  for (const [from, to] of arrows) {
    built.set(from, [...(built.get(from) ?? []), { specifier: to, target: to }]);
    if (to !== missing && !to.includes(":") && !built.has(to)) built.set(to, []);
  }
  return built;
}

function* listFiles(folder: string): Generator<string> {
  for (const entry of Deno.readDirSync(new URL(folder || ".", root))) {
    const path = `${folder}${entry.name}`;
    if (entry.isDirectory && !SKIPPED_FOLDERS.has(`${path}/`)) yield* listFiles(`${path}/`);
    else if (entry.isFile && TEXT_FILE.test(path)) yield path;
  }
}

async function pluginComplaints(): Promise<string[]> {
  const folder = await Deno.makeTempDir();
  try {
    const config = `${folder}/deno.json`;
    const plugin = new URL("tests/lint_plugin.ts", root).pathname;
    await Deno.writeTextFile(config, JSON.stringify({ lint: { plugins: [plugin], rules: { tags: [] } } }));
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["lint", "--json", "--config", config, ...modules.map((path) => new URL(path, root).pathname)],
      stdout: "piped",
      stderr: "piped",
    }).output();
    const report = JSON.parse(new TextDecoder().decode(stdout)) as {
      readonly diagnostics: readonly { readonly filename: string; readonly message: string }[];
      readonly errors: readonly { readonly message: string }[];
      readonly checkedFiles?: readonly string[];
    };
    assert.ok(report.checkedFiles === undefined || report.checkedFiles.length >= modules.length);
    return [
      ...report.diagnostics.map(({ filename, message }) => `${filename.replace(root.href, "")}: ${message}`),
      ...report.errors.map(({ message }) => message),
    ];
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
