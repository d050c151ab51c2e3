/**
 * The test runner: every `*_test.ts` of the project in a process of its own, two at a time, each with a time
 * limit. Ends with the line `N passed, N failed` and exit code 1 if anything failed.
 *
 * `deno task test [WORD …]` runs only files whose path contains one of the words. With
 * `PRKDB_TEST_OUTPUT=all` it shows what the tests print, figures and seeds, also when they pass.
 *
 * @module
 */

const PARALLEL_FILES = 2;
/**
 * A file that takes longer hangs, is ended and counted as failed. Only a test that never lets its own limit
 * strike gets here, as an endless loop would: the limit is twice what the longest file takes beside several
 * other busy processes.
 */
const FILE_LIMIT_MS = 2_700_000;
/** End-to-end files start real processes: they run alone, so that two of them do not hold each other up. */
const ALONE = /^tests\/e2e\//;
/** What a test says that was left out, see `noteSkipped`; it counts as passed. */
const SKIPPED = /skipped: .+$/gm;
const SHOWS_ALL = Deno.env.get("PRKDB_TEST_OUTPUT") === "all";
const SKIPPED_FOLDERS = new Set([".git", "node_modules", "dist", "data", "proto/gen"]);

/** What one file came to. */
interface FileResult {
  readonly path: string;
  readonly passed: number;
  readonly failed: number;
  readonly output: string;
  readonly elapsedMs: number;
}

await main(Deno.args);

async function main(words: readonly string[]): Promise<void> {
  const root = new URL("../", import.meta.url);
  const all = [...testFiles(root, "")].sort();
  const chosen = all.filter((path) => words.length === 0 || words.some((word) => path.includes(word)));
  const together = chosen.filter((path) => !ALONE.test(path));
  const alone = chosen.filter((path) => ALONE.test(path));
  const results = [
    ...(await runFiles(root, together, PARALLEL_FILES)),
    ...(await runFiles(root, alone, 1)),
  ];
  const passed = sum(results.map((result) => result.passed));
  const failed = sum(results.map((result) => result.failed));
  for (const result of results.filter((each) => each.failed > 0)) console.log(`FAILED ${result.path}`);
  console.log(`${passed} passed, ${failed} failed`);
  Deno.exit(failed > 0 || passed === 0 ? 1 : 0);
}

function* testFiles(root: URL, folder: string): Generator<string> {
  for (const entry of Deno.readDirSync(new URL(folder, root))) {
    const path = `${folder}${entry.name}`;
    if (entry.isDirectory && !SKIPPED_FOLDERS.has(path)) yield* testFiles(root, `${path}/`);
    else if (entry.isFile && path.endsWith("_test.ts")) yield path;
  }
}

async function runFiles(root: URL, paths: readonly string[], parallel: number): Promise<FileResult[]> {
  const results: FileResult[] = [];
  const waiting = [...paths];
  const worker = async () => {
    for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
      const result = await runFile(root, path);
      report(result);
      results.push(result);
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return results.sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function runFile(root: URL, path: string): Promise<FileResult> {
  const started = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", new URL(path, root).pathname],
    cwd: root.pathname,
    env: { NO_COLOR: "1", FORCE_COLOR: "0" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const timer = setTimeout(() => child.kill("SIGKILL"), FILE_LIMIT_MS);
  const { code, signal, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const printed = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  const output = signal === null
    ? printed
    : `${printed}\nended by ${signal}; a file may take ${FILE_LIMIT_MS} ms`;
  const total = lastCount(output, "Total:");
  const passed = lastCount(output, "Passed:");
  // A file that crashed, hung or held no test at all has failed at least once, whatever it printed.
  const clean = code === 0 && total > 0;
  const failed = clean ? total - passed : Math.max(1, total - passed);
  return { path, passed, failed, output, elapsedMs: performance.now() - started };
}

function lastCount(output: string, label: string): number {
  const matches = [...output.matchAll(new RegExp(`${label}\\s+(\\d+)`, "g"))];
  return Number(matches.at(-1)?.[1] ?? 0);
}

function report(result: FileResult): void {
  const seconds = (result.elapsedMs / 1000).toFixed(1);
  const verdict = result.failed > 0 ? "FAIL" : "ok  ";
  console.log(`${verdict} ${result.path} (${result.passed} passed, ${seconds} s)`);
  if (result.failed > 0 || SHOWS_ALL) console.log(result.output);
  else for (const [line] of result.output.matchAll(SKIPPED)) console.log(`     ${line}`);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
