/**
 * The rules of the house about imports, as functions from a module graph to complaints: which room may import
 * which, rooms are entered by their `mod.ts`, no circles, no orphans. `ARCHITECTURE.md` draws the same
 * picture.
 *
 * @module
 */

import type { ModuleGraph } from "./module_graph.ts";

/** A room, and those it may import. */
type Step = readonly [room: string, below: readonly string[]];

/**
 * Rooms from the roof down. Each may import only rooms that come later, so that there are no circles between
 * rooms; a test holds the list to that.
 */
const STAIRCASE: readonly Step[] = [
  ["", ["client/cli", "client", "server"]],
  // The command line is a program: what it does with files of nodes, it does with the server's rooms.
  ["client/cli", ["client", "server/inspect", "server/backup"]],
  ["client/npm", []],
  ["client", [
    "client/cluster",
    "client/pipeline",
    "client/routing",
    "client/arguments",
    "client/codec",
    "client/transport",
    "proto",
  ]],
  ["client/cluster", ["client/pipeline", "client/routing", "client/arguments", "client/transport", "proto"]],
  ["client/pipeline", ["client/routing", "client/codec", "client/transport", "proto"]],
  ["client/routing", ["client/transport", "proto"]],
  ["client/arguments", ["client/codec", "client/transport", "proto"]],
  ["client/codec", ["proto"]],
  ["client/transport", ["proto"]],
  ["server", [
    "server/stops",
    "server/ops",
    "server/rpc",
    "server/http/h1",
    "server/http/h2",
    "server/http/tracing",
    "server/http",
    "server/peers",
    "server/node",
    "server/ports",
    "server/data",
    "server/config",
    "server/api",
    "server/cluster",
    "proto",
    "raft",
    "wal-wasm",
  ]],
  ["server/inspect", [
    "server/node",
    "server/data",
    "server/cluster",
    "server/storage",
    "raft",
    "wal-wasm",
  ]],
  ["server/backup", [
    "server/data",
    "server/config",
    "server/api",
    "server/cluster",
    "server/kv",
    "server/storage",
    "raft",
    "wal-wasm",
  ]],
  ["server/stops", [
    "server/http",
    "server/node",
    "server/ports",
    "server/api",
    "server/cluster",
    "raft",
    "wal-wasm",
  ]],
  ["server/ops", ["server/http", "server/node", "server/api"]],
  ["server/rpc", [
    "server/rpc/backup",
    "server/rpc/cluster",
    "server/rpc/kv",
    "server/rpc/method",
    "server/grpc",
    "server/http",
    "server/api",
    "proto",
  ]],
  ["server/grpc", ["server/rpc/method", "server/http", "server/api", "proto"]],
  ["server/rpc/backup", ["server/rpc/method", "server/api", "proto", "wal-wasm"]],
  ["server/rpc/cluster", ["server/rpc/method", "server/api", "server/cluster", "proto", "raft"]],
  ["server/rpc/kv", ["server/rpc/method", "server/api", "server/kv", "proto"]],
  ["server/rpc/method", ["server/api", "server/http", "proto"]],
  ["server/http/h1", ["server/http/h1/message", "server/http"]],
  ["server/http/h1/message", ["server/http"]],
  ["server/http/h2", ["server/http/hpack", "server/http"]],
  ["server/http/hpack", []],
  ["server/http/tracing", ["server/http"]],
  ["server/peers", [
    "server/snapshot",
    "server/http",
    "server/ports",
    "server/data",
    "server/api",
    "server/kv",
    "proto",
    "raft",
  ]],
  ["server/node", [
    "server/expiry",
    "server/state",
    "server/calls",
    "server/ports",
    "server/data",
    "server/api",
    "server/cluster",
    "server/kv",
    "proto",
    "raft",
    "wal-wasm",
  ]],
  ["server/state", [
    "server/snapshot",
    "server/calls",
    "server/ports",
    "server/api",
    "server/cluster",
    "server/kv",
    "server/storage",
    "raft",
    "wal-wasm",
  ]],
  ["server/snapshot", ["server/ports", "server/http", "proto", "raft", "wal-wasm"]],
  ["server/expiry", ["server/calls", "server/ports", "server/kv", "raft"]],
  ["server/calls", ["server/ports", "server/api", "server/cluster", "server/kv", "proto", "raft"]],
  ["server/ports", ["server/api", "server/kv", "raft", "wal-wasm"]],
  ["server/data", ["server/cluster", "proto", "raft", "wal-wasm"]],
  ["server/config", ["server/api", "server/cluster", "server/http", "proto", "raft", "wal-wasm"]],
  ["server/api", ["server/cluster", "server/kv", "raft"]],
  ["server/cluster", ["proto", "raft"]],
  ["server/kv", ["proto", "raft"]],
  ["server/storage", [
    "server/storage/snapshot",
    "server/storage/reading",
    "server/storage/memtable",
    "server/storage/manifest",
    "server/storage/table",
    "wal-wasm",
  ]],
  ["server/storage/snapshot", [
    "server/storage/reading",
    "server/storage/manifest",
    "server/storage/table",
    "wal-wasm",
  ]],
  ["server/storage/reading", [
    "server/storage/memtable",
    "server/storage/manifest",
    "server/storage/table",
    "wal-wasm",
  ]],
  ["server/storage/memtable", ["server/storage/table"]],
  ["server/storage/manifest", ["server/storage/table", "proto", "wal-wasm"]],
  ["server/storage/table", ["proto", "wal-wasm"]],
  ["server/http", []],
  ["proto", []],
  ["raft", []],
  ["wal-wasm", []],
  // Compiled by another compiler, to be reached as bytes only.
  ["wal-wasm/assembly", []],
];
const ROOMS: ReadonlyMap<string, readonly string[]> = new Map(STAIRCASE);

/** Files that a room may have at most, tests not counted: more are two rooms. */
export const ROOM_FILES_MAX = 14;
/**
 * Rooms that `server/` may have at most, itself included. Those inside a library count with it.
 */
export const SERVER_ROOMS_MAX = 25;
/** Rooms with rooms inside that are one library, which knows nothing of prkdb. */
const LIBRARIES = ["server/http/", "server/storage/"];

/** Rooms whose files may import anything, and that nobody imports. */
const OUTSIDE = /^(tests|bench|examples|docs)\//;

/** Where programs and users come in. */
const ENTRIES: ReadonlySet<string> = new Set([
  "mod.ts",
  "server/main.ts",
  "client/mod.ts",
  "client/cli/main.ts",
  "proto/services.ts",
  // Compiled to `wal-wasm/build/wal.wasm.b64`.
  "wal-wasm/assembly/mod.ts",
]);

/** Whether a file is judged as a test: it may import anything. */
export function isOutside(path: string): boolean {
  return OUTSIDE.test(path) || path.endsWith("_test.ts");
}

/** The innermost room that holds `path`; `""` for files at the root. */
export function roomOf(path: string): string {
  const folders = path.split("/").slice(0, -1);
  while (folders.length > 0 && !ROOMS.has(folders.join("/"))) folders.pop();
  return folders.join("/");
}

/** Imports that go up, through a window, out of the house, or to a file that is not there. */
export function importComplaints(graph: ModuleGraph): string[] {
  const complaints: string[] = [];
  for (const [path, imports] of graph) {
    for (const { specifier, target } of imports) {
      const complaint = judgeImport(graph, path, target);
      if (complaint !== undefined) complaints.push(`${path} imports "${specifier}": ${complaint}`);
    }
  }
  return complaints;
}

function judgeImport(graph: ModuleGraph, path: string, target: string): string | undefined {
  if (target.startsWith("node:")) return undefined;
  if (target.startsWith("npm:")) return undefined;
  if (/^[a-z]+:/.test(target)) return "only files of the project, `node:` and npm packages may be imported";
  if (target.endsWith(".json") || target.endsWith(".b64")) return undefined;
  if (!graph.has(target)) return "there is no such file";
  if (isOutside(path)) return undefined;
  if (isOutside(target)) return "nothing imports tests, benches and examples";
  return judgeRooms(path, target);
}

function judgeRooms(path: string, target: string): string | undefined {
  const from = roomOf(path);
  const to = roomOf(target);
  if (from === to) return undefined;
  if (!(ROOMS.get(from) ?? []).includes(to)) return `\`${from}\` may not import \`${to}\``;
  return target === `${to}/mod.ts` ? undefined : `\`${to}\` is entered by its \`mod.ts\``;
}

/** Rooms that may import one that is not further down: then there could be circles between rooms. */
export function staircaseComplaints(): string[] {
  const place = new Map(STAIRCASE.map(([room], at) => [room, at]));
  return STAIRCASE.flatMap(([room, below], at) =>
    below.filter((each) => (place.get(each) ?? -1) <= at)
      .map((each) => `\`${room}\` may import \`${each}\`, which is no room below it`)
  );
}

/** Rooms of the product with more files than a reader keeps in mind, and a `server/` with too many rooms. */
export function roomSizeComplaints(graph: ModuleGraph): string[] {
  const inside = [...graph.keys()].filter((path) => !isOutside(path) && !path.startsWith("proto/gen/"));
  const sizes = new Map<string, number>();
  for (const path of inside) sizes.set(roomOf(path), (sizes.get(roomOf(path)) ?? 0) + 1);
  const large = [...sizes].filter(([room, files]) => room.startsWith("server") && files > ROOM_FILES_MAX)
    .map(([room, files]) => `${room} has ${files} files: at most ${ROOM_FILES_MAX}`);
  const isInside = (room: string) => LIBRARIES.some((library) => room.startsWith(library));
  const isCounted = (room: string) => room.startsWith("server") && !isInside(room);
  const rooms = [...sizes.keys()].filter(isCounted).length;
  return rooms > SERVER_ROOMS_MAX
    ? [...large, `server has ${rooms} rooms: at most ${SERVER_ROOMS_MAX}`]
    : large;
}

/** npm packages imported past `deno.json`, where the versions are pinned. */
export function inlinePackageComplaints(graph: ModuleGraph): string[] {
  return [...graph].flatMap(([path, imports]) =>
    imports.filter(({ specifier }) => /^(npm|jsr|https?):/.test(specifier))
      .map(({ specifier }) => `${path} imports "${specifier}": name it in deno.json with its exact version`)
  );
}

/** Names of packages that are pinned, and texts that use packages without importing them. */
export interface PinnedPackages {
  readonly names: readonly string[];
  readonly usedIn: string;
}

/**
 * Packages that `deno.json` pins and nobody needs.
 *
 * @param pinned the names under `imports`, and texts that use packages without importing them: tasks as
 *   `npm:name@version`, tests of other runtimes as `"name"`
 */
export function unusedPackages(
  graph: ModuleGraph,
  pinned: PinnedPackages,
): string[] {
  const imported = [...graph.values()].flat().map(({ specifier }) => specifier);
  return pinned.names.map((name) => name.replace(/\/$/, "")).filter((name) =>
    !imported.some((specifier) => specifier === name || specifier.startsWith(name + "/")) &&
    !pinned.usedIn.includes(`npm:${name}@`) && !pinned.usedIn.includes(`"${name}"`)
  );
}

/** Groups of files that import each other in a circle, each sorted. */
export function circles(graph: ModuleGraph): string[][] {
  const reach = new Map([...graph.keys()].map((path) => [path, reachableFrom(graph, [path])]));
  const found: string[][] = [];
  const seen = new Set<string>();
  for (const [path, reached] of reach) {
    if (seen.has(path)) continue;
    const circle = [...reached].filter((other) => reach.get(other)?.has(path) === true);
    for (const each of circle) seen.add(each);
    if (circle.length > 0) found.push(circle.sort());
  }
  return found;
}

/**
 * Files nobody needs: not an entry, not outside, and not imported by any of those.
 *
 * @param alsoEntries paths that `deno.json` or a `new URL("./x.ts", import.meta.url)` names
 */
export function orphans(graph: ModuleGraph, alsoEntries: readonly string[] = []): string[] {
  const entries = [...graph.keys()].filter((path) =>
    ENTRIES.has(path) || isOutside(path) || alsoEntries.includes(path)
  );
  const reached = reachableFrom(graph, entries);
  return [...graph.keys()].filter((path) => !reached.has(path) && !entries.includes(path)).sort();
}

/** What `paths` import, directly or not; themselves only if a circle leads back. */
function reachableFrom(graph: ModuleGraph, paths: readonly string[]): Set<string> {
  const reached = new Set<string>();
  const waiting = [...paths];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    for (const { target } of graph.get(path) ?? []) {
      if (reached.has(target) || !graph.has(target)) continue;
      reached.add(target);
      waiting.push(target);
    }
  }
  return reached;
}
