/**
 * What is counted by hand reads like what `prom-client` counts.
 *
 * @module
 */

import client from "prom-client";
import { assert, suite } from "../../tests/harness.ts";
import { BucketCounts, CallCounts } from "./call_counts.ts";

const BOUNDS = [0.001, 0.5, 10];
/** On bounds, between them, below all and above all. */
const VALUES = [0, 0.0005, 0.001, 0.0011, 0.5, 3, 10, 10.5, 1_000];

const test = suite("call counts");

function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "").sort();
}

test("a histogram without labels, before its first value and behind many", async () => {
  const registry = new client.Registry();
  const theirs = new client.Histogram({ name: "h", help: "Help", buckets: BOUNDS, registers: [registry] });
  const ours = new BucketCounts(BOUNDS);
  for (const value of [undefined, ...VALUES]) {
    if (value !== undefined) {
      theirs.observe(value);
      ours.observe(value);
    }
    assert.equal(linesOf(ours.render("h", "Help")), linesOf(await registry.metrics()));
  }
});

test("calls by method and code, and their durations", async () => {
  const registry = new client.Registry();
  const registers = [registry];
  const requests = new client.Counter({
    name: "prkdb_requests_total",
    help: "Calls answered",
    labelNames: ["method", "code"],
    registers,
  });
  const durations = new client.Histogram({
    name: "prkdb_request_duration_seconds",
    help: "Time to answer a call",
    labelNames: ["method"],
    buckets: BOUNDS,
    registers,
  });
  const ours = new CallCounts(BOUNDS);
  for (const [at, value] of [undefined, ...VALUES].entries()) {
    if (value !== undefined) {
      const method = at % 2 === 0 ? "Put" : "Get";
      const code = at % 3 === 0 ? "ok" : "unavailable";
      requests.inc({ method, code });
      durations.observe({ method }, value);
      ours.observe(method, code, value);
    }
    assert.equal(linesOf(ours.render()), linesOf(await registry.metrics()));
  }
});

test.run();
