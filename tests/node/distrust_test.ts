/**
 * A node whose leader contradicts what that leader itself had promised: the node lives on, believes nothing
 * more of it, and tells its operator.
 *
 * @module
 */

import { type AppendRequest, type Entry, EntryKind } from "../../raft/mod.ts";
import { newIncarnation, openDataDirectory, Troubles } from "../../server/data/mod.ts";
import { Inbox, Node } from "../../server/node/mod.ts";
import { SYSTEM_CLOCK } from "../../server/ports/system_clock.ts";
import { assert, suite } from "../harness.ts";
import { MemoryDisk } from "../support/disk/memory_file_system.ts";
import { until } from "../support/patience.ts";
import { SeededRandom } from "../support/seeded_random.ts";

const GROUP = 1;
const LEADER = 2;

const test = suite("distrust");

test("a leader that is not believed is a trouble, with the reason", async () => {
  const inbox = new Inbox();
  const node = await openNode(inbox);
  const deliver = (message: AppendRequest) =>
    inbox.push({
      kind: "peerBatch",
      from: LEADER,
      batch: { messages: [message], calls: [], replies: [], leaderships: [], reminders: [] },
    });
  deliver(append(5, 0, [entry(1, 5), entry(2, 5)]));
  await until(() => node.status().replicas[0]?.commit === 2, "two entries are committed here");
  assert.equal(node.resourceTroubles(), []);
  deliver(append(7, 1, [entry(2, 6)]));
  await until(() => node.resourceTroubles().length > 0, "the node tells");
  const [{ kind, reason }] = node.resourceTroubles() as [{ kind: string; reason: string }];
  assert.is(kind, "peer_distrusted");
  assert.match(reason, /Nothing is believed that node 2 says: Group 1 contradicts .* entry 2 is of term 5/);
  const last = node.readiness().troubles.at(-1)!;
  assert.equal(last, { kind: "peerDistrusted", reason });
  await node.close();
});

function entry(index: number, term: number): Entry {
  return { index, term, kind: EntryKind.empty, data: new Uint8Array(0) };
}

function append(term: number, prevLogIndex: number, entries: readonly Entry[]): AppendRequest {
  const prevLogTerm = prevLogIndex === 0 ? 0 : 5;
  const envelope = { group: GROUP, from: LEADER, to: 1, term };
  return { kind: "appendRequest", ...envelope, prevLogIndex, prevLogTerm, entries, commit: 2 };
}

async function openNode(inbox: Inbox): Promise<Node> {
  const fileSystem = new MemoryDisk({ random: new SeededRandom(1) }).mount();
  const nodes = new Map([1, 2, 3].map((id) => [id, `host:${id}`]));
  const shape = { nodes, partitionCount: 1, replicationFactor: 3 };
  const incarnation = newIncarnation({ wallMs: 1, seed: 1 });
  const data = await openDataDirectory(fileSystem, { directory: "data/node", nodeId: 1, shape, incarnation });
  return await Node.open({
    data,
    shape,
    fileSystem,
    clock: SYSTEM_CLOCK,
    seed: 1,
    inbox,
    transport: {
      setPeers: () => {},
      whoIsAt: () => Promise.resolve({ kind: "nobody", reason: "there is no network" }),
      askSnapshot: () => Promise.reject(new Error("there is no network")),
      send: () => true,
      statuses: () => [],
      close: () => Promise.resolve(),
    },
    electionTimeoutMs: 1_000,
    heartbeatMs: 100,
    walSync: { kind: "always" },
    walSegmentBytes: 65_536,
    memory: { log: 2 ** 30, state: 2 ** 30, calls: 2 ** 27 },
    troubles: new Troubles(),
    meters: {
      observeTurn() {},
      observeFrame() {},
      observeSync() {},
      observeProposal() {},
      observeRefusal() {},
    },
  });
}

test.run();
