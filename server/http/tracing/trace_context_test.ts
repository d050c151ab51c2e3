/**
 * The rules of W3C Trace Context, one by one.
 *
 * @module
 */

import { assert, suite } from "../../../tests/harness.ts";
import { fieldsOf } from "../../../tests/support/fake_exchange.ts";
import { readTraceContext } from "./trace_context.ts";

const test = suite("trace context");
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";

function read(traceparent: string, more: readonly (readonly [string, string])[] = []) {
  return readTraceContext(fieldsOf([["traceparent", traceparent], ...more]));
}

test("a caller's span is read", () => {
  assert.equal(read(`00-${TRACE}-${PARENT}-01`), {
    traceId: TRACE,
    spanId: PARENT,
    traceFlags: 1,
    isRemote: true,
  });
  assert.is(read(`00-${TRACE}-${PARENT}-00`)?.traceFlags, 0);
  assert.is(readTraceContext(fieldsOf([])), undefined);
});

test("of the flags only the sampled one is taken over", () => {
  for (const [flags, taken] of [["02", 0], ["03", 1], ["fe", 0], ["ff", 1]] as const) {
    assert.is(read(`00-${TRACE}-${PARENT}-${flags}`)?.traceFlags, taken, flags);
  }
});

test("what is malformed is as good as missing", () => {
  const malformed = [
    "",
    "00",
    TRACE,
    `00-${TRACE}-${PARENT}`,
    `00-${TRACE}-${PARENT}-`,
    `00-${TRACE}-${PARENT}-1`,
    `00-${TRACE}-${PARENT}-011`,
    `00-${TRACE}-${PARENT}-0g`,
    `00-${TRACE}-${PARENT}-01-`,
    `00-${TRACE}-${PARENT}-01-what-comes-later`,
    `00-${TRACE}-${PARENT}-01 `,
    ` 00-${TRACE}-${PARENT}-01`,
    `00-${TRACE.toUpperCase()}-${PARENT}-01`,
    `00-${TRACE}-${PARENT.toUpperCase()}-01`,
    `00-${TRACE}-${PARENT}-0A`,
    `00-${"0".repeat(32)}-${PARENT}-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `00-${TRACE.slice(1)}-${PARENT}-01`,
    `00-${TRACE}0-${PARENT}-01`,
    `00-${TRACE}-${PARENT.slice(1)}-01`,
    `00-${TRACE}-${PARENT}0-01`,
    `00_${TRACE}_${PARENT}_01`,
    `0-${TRACE}-${PARENT}-01`,
    `000-${TRACE}-${PARENT}-01`,
    `FF-${TRACE}-${PARENT}-01`,
    `ff-${TRACE}-${PARENT}-01`,
    `ff-${TRACE}-${PARENT}-01-more`,
    `zz-${TRACE}-${PARENT}-01`,
    `01-${TRACE}-${PARENT}-01more`,
    `01-${TRACE}-${PARENT}-01.more`,
  ];
  for (const value of malformed) assert.is(read(value), undefined, value);
});

test("of a later version what is known of it is read", () => {
  for (const value of [`01-${TRACE}-${PARENT}-01`, `cc-${TRACE}-${PARENT}-01-what-comes-later`]) {
    assert.is(read(value)?.spanId, PARENT, value);
  }
});

test("two callers' spans are none, in every version", () => {
  for (const version of ["00", "01"]) {
    const value = `${version}-${TRACE}-${PARENT}-01`;
    assert.is(read(value, [["traceparent", value]]), undefined);
  }
});

test("the state of other systems stands beside, and a malformed one harms nothing", () => {
  const withState = (...values: string[]) =>
    read(`00-${TRACE}-${PARENT}-01`, values.map((value) => ["tracestate", value] as const));
  assert.is(withState("congo=t61,rojo=00f067")?.traceState?.serialize(), "congo=t61,rojo=00f067");
  assert.is(withState("a=1", "b=2")?.traceState?.serialize(), "a=1,b=2");
  for (const value of ["", "=", "no pair", "UPPER=1", ",,,"]) {
    const context = withState(value);
    assert.is(context?.spanId, PARENT, value);
    assert.is(context?.traceState?.serialize(), "", value);
  }
});

test.run();
