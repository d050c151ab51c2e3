/**
 * The proof of the front door, `deno task proof`: the tests of HTTP and gRPC at their full sizes, and what
 * they counted and measured. `deno task proof small` runs the same at the sizes of every run of the tests;
 * further words choose among the files. `support/proof_size.ts` has the sizes.
 *
 * @module
 */

/** What is proved, and the files or folders that do. */
const PROOF: readonly (readonly [claim: string, files: readonly string[]])[] = [
  ["requests good and bad are treated as the runtime's server does", ["tests/http/differential_test.ts"]],
  ["the cases of h2spec by number, and planted bugs of frames", ["tests/http/http2_cases_test.ts"]],
  ["changed heads and bodies neither crash, nor hang, nor grow", ["tests/http/h1_fuzz_test.ts"]],
  ["frames of chance: the same", ["server/http/h2/frame_reader_test.ts", "tests/http/http2_fuzz_test.ts"]],
  ["compressed fields of chance: the same", ["server/http/hpack/hpack_test.ts"]],
  ["sockets that are killed at every byte of requests and answers", [
    "tests/http/h1_kills_test.ts",
    "tests/http/http2_kills_test.ts",
    "tests/http/answer_kills_test.ts",
  ]],
  ["known attacks are bounded", ["tests/http/http2_attacks_test.ts"]],
  ["limits of time and memory", [
    "tests/http/socket_limits_test.ts",
    "tests/http/h1_memory_test.ts",
    "tests/http/http2_body_rate_test.ts",
  ]],
  ["rules of HTTP one by one", ["tests/http/front_door_rules_test.ts"]],
  ["crowds that say nothing", ["tests/e2e/silent_connections_test.ts"]],
  ["half-sent requests, unread answers, unfolding bodies", [
    "tests/e2e/front_door_test.ts",
    "tests/e2e/hoarders_test.ts",
  ]],
  ["all ways in say the same", ["tests/conformance/"]],
  ["clients of others are served", [
    "tests/http/http2_client_test.ts",
    "tests/grpc/grpc_js_test.ts",
    "tests/grpc/connect_transport_test.ts",
  ]],
];

await main(Deno.args);

async function main(args: readonly string[]): Promise<void> {
  const isSmall = args[0] === "small";
  const words = isSmall ? args.slice(1) : args;
  const files = chosen(words);
  if (files.length === 0) {
    throw new Error(`Cannot prove anything: no file of the proof has ${words.join(", ")}`);
  }
  const startedMs = performance.now();
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", new URL("run.ts", import.meta.url).pathname, ...files],
    env: { PRKDB_PROOF: isSmall ? "small" : "full", PRKDB_TEST_OUTPUT: "all" },
  }).spawn().status;
  const size = isSmall ? "small" : "full";
  console.log(
    `proof, ${size}: ${files.length} files in ${((performance.now() - startedMs) / 1_000).toFixed(0)} s`,
  );
  Deno.exit(code);
}

/** Prints what is to be proved, and returns the files for it. */
function chosen(words: readonly string[]): readonly string[] {
  return PROOF.flatMap(([claim, files]) => {
    // One that is not there any more must not look like one that has passed.
    for (const file of files) Deno.statSync(new URL(`../${file}`, import.meta.url));
    const wanted = files.filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
    for (const file of wanted) console.log(`${file}: ${claim}`);
    return wanted;
  });
}
