/**
 * When the log says that replicas are missing, and that the flag is not what the cluster has.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { ReplicaWatch } from "./replica_watch.ts";

const test = suite("replica watch");

const FEW = { replicationFactor: 3, shortage: "partitions have fewer replicas (1)" };
const ENOUGH = { replicationFactor: 3, shortage: "" };

test("what is missing is told when it was seen twice, once; and that nothing is missing any more", () => {
  const watch = new ReplicaWatch(undefined);
  assert.equal(watch.look(FEW), {});
  assert.equal(watch.look(FEW), { shortage: FEW.shortage });
  assert.equal(watch.look(FEW), {});
  const fewer = { ...FEW, shortage: "partitions have fewer replicas (1 or 3)" };
  assert.equal(watch.look(fewer), {}, "it may be another one in a moment");
  assert.equal(watch.look(ENOUGH), {});
  assert.equal(watch.look(ENOUGH), { shortage: "" });
  assert.equal(watch.look(ENOUGH), {});
});

test("a cluster that lacks nothing is nothing to speak of", () => {
  const watch = new ReplicaWatch(3);
  for (let count = 0; count < 3; count++) assert.equal(watch.look(ENOUGH), {});
});

test("a flag that is not the cluster's factor is told once", () => {
  const watch = new ReplicaWatch(5);
  assert.equal(watch.look(ENOUGH), {});
  assert.equal(watch.look(ENOUGH), { otherFactor: 3 });
  assert.equal(watch.look(ENOUGH), {});
  const changed = { replicationFactor: 1, shortage: "" };
  watch.look(changed);
  assert.equal(watch.look(changed), {}, "the factor was changed while the node ran");
});

test.run();
