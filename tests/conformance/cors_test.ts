/**
 * Which pages may call a node, and what their browsers are told.
 *
 * @module
 */

import { KvService } from "../../proto/mod.ts";
import { assert, suite } from "../harness.ts";
import { ask, BASE, handler, post } from "./asking.ts";
import { CALLERS, pathOf } from "./callers.ts";
import { bytes, call } from "./case.ts";

const test = suite("cors");
const { get, put } = KvService.method;
const GET_A = call(get, { key: bytes("a") });

test("pages of loopback origins may call, others may not", async () => {
  const allowed = [
    "http://localhost",
    "https://localhost:8080",
    "http://127.0.0.1:3000",
    "http://[::1]:5173",
  ];
  const foreign = ["https://example.com", "http://localhost.example.com", "http://127.0.0.1.nip.io", "null"];
  for (const origin of [...allowed, ...foreign]) {
    const isAllowed = allowed.includes(origin);
    const preflight = await ask(preflightOf(origin));
    assert.is(preflight.status, isAllowed ? 204 : 403, origin);
    assert.is(preflight.headers.get("access-control-allow-origin"), isAllowed ? origin : null);
    for (const caller of CALLERS) {
      const response = await ask(await caller.request({ ...GET_A, headers: { origin } }, BASE));
      await response.bytes();
      assert.is(response.headers.get("access-control-allow-origin"), isAllowed ? origin : null, caller.name);
      assert.is(response.headers.get("vary"), "Origin");
    }
  }
});

test("a preflight allows what calls send, and errors can be read by pages", async () => {
  const { headers } = await ask(preflightOf("http://localhost"));
  for (
    const name of [
      "content-type",
      "connect-protocol-version",
      "connect-timeout-ms",
      "prkdb-route",
      "prkdb-cluster",
      "traceparent",
      "tracestate",
      "x-grpc-web",
    ]
  ) {
    assert.ok(headers.get("access-control-allow-headers")?.toLowerCase().split(", ").includes(name), name);
  }
  assert.is(headers.get("access-control-allow-methods"), "POST, GET");
  const refused = await ask(
    post(pathOf(put), "application/proto", new Uint8Array(0), { origin: "http://localhost" }),
  );
  assert.is(refused.status, 400);
  assert.is(refused.headers.get("access-control-allow-origin"), "http://localhost");
  const exposed = (refused.headers.get("access-control-expose-headers") ?? "").toLowerCase().split(", ");
  for (const name of ["grpc-status", "grpc-message", "grpc-status-details-bin"]) {
    assert.ok(exposed.includes(name), name);
  }
});

test("what is refused before a method is reached can be read by pages, too", async () => {
  const origin = "http://localhost";
  const refused: readonly (readonly [status: number, path: string, type: string])[] = [
    [404, "/nothing", "application/json"],
    [415, pathOf(put), "text/plain"],
    [505, pathOf(put), "application/grpc"],
  ];
  for (const [status, path, type] of refused) {
    const preflight = new Request(BASE + path, { method: "OPTIONS", headers: { origin } });
    assert.is((await ask(preflight)).status, 204);
    const response = await ask(post(path, type, bytes("{}"), { origin }));
    assert.is(response.status, status);
    assert.is(response.headers.get("access-control-allow-origin"), origin);
  }
});

test("named origins replace the loopback ones", async () => {
  const named = handler({ corsOrigins: ["https://app.example"] });
  assert.is((await named(preflightOf("https://app.example"))).status, 204);
  assert.is((await named(preflightOf("http://localhost"))).status, 403);
  assert.is((await handler({ corsOrigins: ["*"] })(preflightOf("https://any.example"))).status, 204);
  assert.is((await handler({ corsOrigins: [] })(preflightOf("http://localhost"))).status, 403);
});

test("a request without a page is told the methods", async () => {
  const response = await ask(new Request(BASE + pathOf(get), { method: "OPTIONS" }));
  assert.is(response.status, 204);
  assert.is(response.headers.get("allow"), "GET, POST, OPTIONS");
});

test.run();

function preflightOf(origin: string): Request {
  const headers = { origin, "access-control-request-method": "POST" };
  return new Request(BASE + pathOf(put), { method: "OPTIONS", headers });
}
