/**
 * Keys that expire, on the command line: `--ttl` and `--ttl-ms`, and when `get` says that a key expires.
 *
 * @module
 */

import { TTL_MS_MAX } from "../../proto/mod.ts";
import { assert, suite } from "../harness.ts";
import { commandRunner } from "./command_runner.ts";
import { FakeCluster } from "./fake_cluster.ts";

const test = suite("prkdb command, keys that expire");
const cluster = new FakeCluster();
const run = commandRunner(cluster);
test.after(() => cluster.close());

test("a key is given a time to live in any unit, and get says when it expires", async () => {
  const lives: readonly (readonly [args: readonly string[], ms: number])[] = [
    [["--ttl", "500ms"], 500],
    [["--ttl", "10s"], 10_000],
    [["--ttl", "5m"], 300_000],
    [["--ttl", "2h"], 7_200_000],
    [["--ttl=1d"], 86_400_000],
    [["--ttl", "36525d"], TTL_MS_MAX],
    [["--ttl-ms", "1"], 1],
    [["--ttl-ms", String(TTL_MS_MAX)], TTL_MS_MAX],
  ];
  for (const [args, ms] of lives) {
    for (const write of [["put", "life", "7"], ["increment", "count"]]) {
      const { code, error } = await run([...write, ...args]);
      assert.equal([code, error], [0, ""]);
      const { expiresAtMs } = JSON.parse((await run(["get", write[1]!, "--json"])).output);
      assert.is(expiresAtMs, Number(cluster.wallMs) + ms, args.join(" "));
    }
  }
  await run(["increment", "life"]);
  assert.match((await run(["get", "life", "--json"])).output, /^\{"key":"life","value":"8",.*"expiresAtMs":/);
  await run(["put", "life", "7"]);
  assert.not.match((await run(["get", "life", "--json"])).output, /expiresAtMs/);
  assert.is((await run(["get", "count"])).output, "8\n", "as text it is the value alone");
});

test("a time to live that cannot be is wrong use, and says what can", async () => {
  const unit =
    /--ttl <time>.* is invalid\. It must be a whole number with its unit, which is ms, s, m, h or d: /;
  const wrong: readonly (readonly [args: readonly string[], why: RegExp])[] = [
    ...["10", "s", "1.5h", "-1s", "10 s", "1w", "1M", "1S", "", "1d2h", "10seconds", "0"].map((text) =>
      [[`--ttl=${text}`], unit] as const
    ),
    ...["0s", "0ms", "36526d", "9999999999999999d", "3155760000001ms"].map((text) =>
      [[`--ttl=${text}`], /--ttl <time>.* is invalid\. It must be from 1ms to 36525d\.\n$/] as const
    ),
    ...["0", "-1", "1.5", "10s", "3155760000001"].map((text) =>
      [
        [`--ttl-ms=${text}`],
        /--ttl-ms <ms>.* is invalid\. It must be a whole number from 1 to 3155760000000\.\n$/,
      ] as const
    ),
    [["--ttl", "1s", "--ttl-ms", "1000"], /'--ttl <time>' cannot be used with option '--ttl-ms <ms>'/],
  ];
  for (const write of [["put", "life", "x"], ["increment", "life"]]) {
    const before = cluster.applied.length;
    for (const [args, why] of wrong) {
      const { code, output, error } = await run([...write, ...args]);
      assert.equal([code, output], [2, ""], args.join(" "));
      assert.match(error, why);
    }
    assert.is(cluster.applied.length, before);
  }
  assert.is((await run(["delete", "life", "--ttl", "1s"])).code, 2);
});

test.run();
