/**
 * Wrong configurations are refused by name.
 *
 * @module
 */

import { assert, suite } from "../tests/harness.ts";
import { type MultiRaftConfig, resolveConfig } from "./config.ts";

const test = suite("raft config");
const sound: MultiRaftConfig = { nodeId: 1, seed: -5, electionTimeoutTicks: 10, heartbeatTicks: 1 };

test("limits have defaults, and what is given wins", () => {
  const resolved = resolveConfig({ ...sound, inflightMessagesMax: 3 });
  assert.equal([resolved.inflightMessagesMax, resolved.inflightBytesMax, resolved.appendBytesMax], [
    3,
    4 << 20,
    1 << 20,
  ]);
});

test("numbers that make no sense are refused", () => {
  assert.throws(() => resolveConfig({ ...sound, nodeId: 0 }), /nodeId .* it is 0/);
  assert.throws(() => resolveConfig({ ...sound, appendBytesMax: 1.5 }), /appendBytesMax .* it is 1.5/);
  assert.throws(() => resolveConfig({ ...sound, seed: NaN }), /seed/);
  assert.throws(() => resolveConfig({ ...sound, heartbeatTicks: 6 }), /they are 6 and 10/);
});

test.run();
