/**
 * Which names pass the rule against DNS rebinding.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { HostRule } from "./host.ts";

const test = suite("host rule");
const rule = new HostRule(["db-1.example.com:50051", "Node.Internal"]);

test("addresses and localhost pass, whatever the port", () => {
  for (
    const authority of [
      "127.0.0.1",
      "127.0.0.1:50051",
      "10.1.255.7:80",
      "[::1]:50051",
      "[fe80::1]",
      "[::ffff:10.0.0.1]:1",
      "localhost",
      "LOCALHOST:8080",
      "localhost.:1",
      "",
    ]
  ) assert.ok(rule.isAllowed(authority), authority);
});

test("names that were given pass in any case, and no others", () => {
  for (const authority of ["db-1.example.com", "DB-1.example.COM:1", "node.internal.:7", "node.internal"]) {
    assert.ok(rule.isAllowed(authority), authority);
  }
  for (
    const authority of [
      "evil.example",
      "db-2.example.com",
      "db-1.example.com.evil.example",
      "a.localhost",
      "localhost.evil.example",
      "127.0.0.1.evil.example",
      "127.0.0.256",
      "1.2.3",
      "0x7f.1",
      "[evil]",
      "[:::::]",
      "[fe80::1%eth0]",
      "x[::1]",
      "::1",
      ":80x",
    ]
  ) assert.not.ok(rule.isAllowed(authority), authority);
});

test("a refusal says which flag allows the name", () => {
  assert.match(rule.refusal("a.example:1"), "--allowed-hosts a.example ");
});

test.run();
