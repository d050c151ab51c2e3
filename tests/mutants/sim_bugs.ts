/**
 * Bugs that systems like this one really had, as edits of the product's source. The simulator must catch them
 * with the seeds that every run of CI goes through: one that lets them pass is worth nothing. Those of the
 * core alone are shared with `tests/raft/`.
 *
 * Those of the store alone have a list of their own (`storage_bugs.ts`).
 *
 * @module
 */

import type { Mutant } from "./planter.ts";
import { CORE_MUTANTS } from "./raft_bugs.ts";

/** See the module comment. */
export const SIMULATED_BUGS: readonly Mutant[] = [
  {
    name: "the log says that a write is durable before its sync",
    edits: [{
      file: "wal-wasm/wal.ts",
      find: 'if (sync.kind === "always") {',
      replace: 'if (sync.kind === "always" && this.#queue.length < 0) {',
    }],
  },
  {
    name: "each founder draws its cluster's id itself",
    edits: [{
      file: "server/node/group_zero.ts",
      find: "const drawn = this.state.clusterId;",
      replace: 'const drawn = this.state.isFounded ? this.clusterIdToFound : "";',
    }],
  },
  {
    name: "after a failed sync the node goes on",
    edits: [{
      file: "server/node/node_loop.ts",
      find: "this.#orDie(() => this.#finishDurable(write)), (error) => this.#die(error));",
      replace:
        "this.#orDie(() => this.#finishDurable(write)), () => this.#orDie(() => this.#finishDurable(write)));",
    }],
  },
  {
    name: "a turn without records overtakes the frame under way",
    edits: [{
      file: "server/node/node_loop.ts",
      find: "if (records.length === 0 && this.#writing.length === 0) return",
      replace: "if (records.length === 0) return",
    }],
  },
  {
    name: "the vote is forgotten in a restart",
    edits: [{
      file: "server/node/recovery.ts",
      find: "vote: snapshot.term > term ? NO_NODE : vote,",
      replace: "vote: NO_NODE,",
    }],
  },
  {
    name: "nobody looks whether the log is the one that was there",
    edits: [{
      file: "server/node/recovery.ts",
      find: "    logId,\n    segmentBytes",
      replace: "    segmentBytes",
    }],
  },
  {
    name: "it is not remembered that there was a log",
    edits: [{
      file: "server/node/recovery.ts",
      find: "if (data.logId === undefined) await rememberLog",
      replace: "if (data.logId !== undefined) await rememberLog",
    }],
  },
  {
    name: "nobody is reminded of promises",
    edits: [{
      file: "server/node/node_loop.ts",
      find: "outbox.addReminders(input.peer, multiRaft.remindersFor(input.peer));",
      replace: "",
    }],
  },
  {
    name: "promises are lost in a restart",
    edits: [{
      file: "server/node/recovery.ts",
      find: "promises: [...promises.values()]",
      replace: "promises: []",
    }],
  },
  {
    name: "recovery keeps an entry that was replaced",
    edits: [{
      file: "server/node/recovery.ts",
      find: "  entries.length = place < 0 || place > entries.length ? 0 : place;\n",
      replace: "  if (place < 0) entries.length = 0;\n  else if (place < entries.length) return;\n",
    }],
  },
  {
    name: "recovery leaves a gap at the end of the log",
    edits: [{
      file: "server/node/recovery.ts",
      find: "return { hardState, snapshot, entries, promises",
      replace:
        "return { hardState, snapshot, entries: entries.slice(0, Math.max(0, hardState.commit - snapshot.index, " +
        "entries.length - 1)), promises",
    }],
  },
  {
    name: "a retried write is applied twice",
    edits: [{
      file: "server/kv/state_machine.ts",
      find: "if (known !== undefined) return known;",
      replace: "if (known !== undefined) this.#sessions.find(requestId);",
    }],
  },
  {
    name: "an increment is counted again when it is retried",
    edits: [{
      file: "server/kv/state_machine.ts",
      find: "if (known !== undefined) return known;",
      replace: "if (known !== undefined && !hasIncrement(mutations)) return known;",
    }],
  },
  {
    name: "commands are stamped with the wall clock",
    edits: [{
      file: "server/calls/dispatcher.ts",
      find: "replica.stampMs(clock.monotonicMs())",
      replace: "clock.wallMs()",
    }],
  },
  {
    name: "a leader serves reads without asking whether it still leads",
    edits: [{
      file: "server/calls/dispatcher.ts",
      find: 'if (replica.role === "leader" || call.consistency !== "linearizable") return replica.ask(call);',
      replace: 'if (replica.role === "leader") return replica.answer(call);\n' +
        '    if (call.consistency !== "linearizable") return replica.ask(call);',
    }],
  },
  {
    name: "a confirmed read does not wait for the state",
    edits: [{
      file: "server/calls/hosted_replica.ts",
      find: "if (isHopeless || this.machine.appliedIndex >= ready.readIndex) this.#answerRound(round);",
      replace: "if (this.machine.appliedIndex >= 0) this.#answerRound(round);",
    }],
  },
  {
    name: "a waiter is answered for another leader's entry at its index",
    edits: [
      {
        file: "server/calls/hosted_replica.ts",
        find: "if (pending.term !== entry.term) failCall",
        replace: "if (pending.term < 0) failCall",
      },
      {
        file: "server/calls/hosted_replica.ts",
        find: 'if (transition.role === "leader" && term === transition.term) continue;',
        replace: "if (term <= transition.term) continue;",
      },
    ],
  },
  {
    name: "forwarded calls are numbered from one after every restart",
    edits: [{
      file: "server/calls/forwarding.ts",
      find: "this.#lastCallId = (Math.abs(seed) % SEEDS) * CALL_IDS_PER_SEED;",
      replace: "this.#lastCallId = 0 * seed * SEEDS * CALL_IDS_PER_SEED;",
    }],
  },
  {
    name: "stale reads ignore their bound",
    edits: [{
      file: "server/calls/dispatcher.ts",
      find: "return call.maxStalenessMs === 0 ||",
      replace: "return call.maxStalenessMs >= 0 ||",
    }],
  },
  {
    name: "a new leader does not open its term with an empty entry",
    edits: [{
      file: "raft/election.ts",
      find:
        "log.append({ index: log.lastIndex + 1, term: state.term, kind: EntryKind.empty, data: NO_BYTES });",
      replace: "void EntryKind.empty, NO_BYTES;",
    }],
  },
  {
    name: "a move is called done when its learners are there",
    edits: [{
      file: "server/cluster/membership_driver.ts",
      find: "isSameSet(voters, target.voters) &&\n    isSameSet(learners, target.learners);",
      replace: "target.voters.every((node) => [...voters, ...learners].includes(node));",
    }],
  },
  {
    name: "a replica leaves before its group is known to be without it",
    edits: [{
      file: "server/node/replica_set.ts",
      find: "const isGone = isFounded && isReplicaGone(partition, { nodeId, replicaId });",
      replace: "const isGone = isFounded && (isReplicaGone(partition, { nodeId, replicaId }) || !isListed);",
    }],
  },
  {
    name: "a dropped replica comes back by replay",
    edits: [{
      file: "server/node/replica_set.ts",
      find: "    if (replicaId <= multiRaft.goneThrough(group)) return undefined;\n",
      replace: "",
    }],
  },
  {
    name: "a replica leaves by a state that does not know it yet",
    edits: [{
      file: "server/cluster/cluster_state.ts",
      find: "replicaId > 0 && replicaId < partition.nextReplicaId &&",
      replace: "replicaId > 0 &&",
    }],
  },
  {
    name: "an id is used again",
    edits: [{
      file: "server/cluster/cluster_state.ts",
      find: 'replicas: target, former: [], replicaIds, changeId: "" };',
      replace: 'replicas: target, former: [], replicaIds, changeId: "",\n' +
        "    nextReplicaId: Math.max(...replicaIds.values()) + 1 };",
    }],
  },
  {
    name: "what a replica that has left had written is its successor's",
    edits: [{
      file: "server/node/recovery.ts",
      find: "if (goneThrough < state.replicaId) return;",
      replace: "if (goneThrough >= 0) return;",
    }],
  },
  {
    name: "a node is removed before its replicas are elsewhere",
    edits: [
      {
        file: "server/cluster/apply_command.ts",
        find: "![replicas, target, former].flat().includes(nodeId)",
        replace: "!target.includes(nodeId)",
      },
      {
        file: "server/cluster/planner.ts",
        find: "return isAtRest && mayForget(state, nodeId)",
        replace: "return mayForget(state, nodeId)",
      },
    ],
  },
  {
    name: "a node is removed on which a move that was taken back may still lie",
    edits: [
      {
        file: "server/cluster/apply_command.ts",
        find: "![replicas, target, former].flat().includes(nodeId)",
        replace: "![replicas, target].flat().includes(nodeId)",
      },
      {
        file: "server/cluster/planner.ts",
        find: "return isAtRest && mayForget(state, nodeId)",
        replace: "return mayForget(state, nodeId)",
      },
    ],
  },
  {
    name: "a node is removed that group 0 needs for a majority",
    edits: [{
      file: "server/node/coordinator.ts",
      find: "votes: (nodeId) => voters.includes(nodeId) || votersOutgoing.includes(nodeId),",
      replace: "votes: (nodeId) => [...voters, ...votersOutgoing].includes(-nodeId),",
    }],
  },
  {
    name: "a leader that is to go waits for a voter that is down",
    edits: [{
      file: "server/cluster/membership_driver.ts",
      find: "    else if (newcomers.length > 0) {",
      replace: "    else if (newcomers.length === target.voters.length) {",
    }],
  },
  {
    name: "a leader moves its group by a picture of the past",
    edits: [{
      file: "server/node/reconciler.ts",
      find: "if (cluster.replica.isFresh(nowMs, nowMs - lead.sinceMs)) return true;",
      replace: "if (lead.sinceMs <= nowMs) return true;",
    }],
  },
  {
    name: "replicas are moved to nodes that are down",
    edits: [{
      file: "server/node/coordinator.ts",
      find: "isSilent: (nodeId) => this.#isSilent(nodeId),",
      replace: "isSilent: (nodeId) => this.#isSilent(nodeId) && nodeId < 0,",
    }],
  },
  {
    name: "a node that knows nobody any more refuses everybody",
    edits: [{
      file: "server/node/peer_directory.ts",
      find: "if (this.#options.leaderFollowed() !== NO_NODE ||",
      replace: "if (this.#options.leaderFollowed() >= NO_NODE ||",
    }],
  },
  {
    name: "the end of a rebalance is taken for the end of a removal",
    edits: [{
      file: "server/cluster/change_list.ts",
      find: "change === named || isSameRemoval(change.request, named.request);",
      replace: "change === named || isSameWork(change.request, named.request);",
    }],
  },
  {
    name: "partitions do not grow though there are nodes for more replicas",
    edits: [{
      file: "server/cluster/replica_moves.ts",
      find: "partition.target.length < least && !isMoving(partition) &&",
      replace: "partition.target.length < Math.min(1, least) && !isMoving(partition) &&",
    }, {
      file: "server/cluster/cluster_state.ts",
      find: "target.length >= least && target.length <= most",
      replace: "target.length >= Math.min(1, least) && target.length <= most",
    }],
  },
  {
    name: "a move is called done that was taken back meanwhile",
    edits: [{
      file: "server/cluster/apply_command.ts",
      find: "  if (changeId !== undefined && partition?.changeId !== changeId) return state;\n" +
        "  if (partition === undefined || !isMoving(partition) || !isSameSet(partition.target, target)) return state;",
      replace: "  if (partition === undefined || (changeId ?? target) === undefined) return state;",
    }],
  },
  {
    name: "a stream on which nothing arrives any more is never given up",
    edits: [{
      file: "server/peers/answer_watch.ts",
      find: "return this.isWaiting && nowMs - this.#dueSinceMs >= this.#limitMs;",
      replace: "return this.isWaiting && nowMs < this.#dueSinceMs;",
    }],
  },
  {
    name: "a segment that could not be made once is never made",
    edits: [{
      file: "wal-wasm/segment_pool.ts",
      find: "    this.#cancelRetry = this.#options.timer.after(this.#retryMs, () => this.#try(id));",
      replace: "    this.#cancelRetry = this.#options.timer.after(1e12, () => this.#try(id));",
    }],
  },
  {
    name: "writes go on being taken when the log has no room",
    edits: [{
      file: "server/calls/write_gate.ts",
      find: "    if (space.spareFailure === undefined) return undefined;\n    const reserve",
      replace: "    if (space.restBytes >= 0) return undefined;\n    const reserve",
    }],
  },
  {
    name: "a failed attempt to make a segment ends the node",
    edits: [{
      file: "wal-wasm/segment_pool.ts",
      find: "    if (this.#isClosed) return;\n    this.#cancelRetry",
      replace: "    if (!this.#isClosed) throw error;\n    this.#cancelRetry",
    }],
  },
  {
    name: "a client draws its delays from the machine",
    edits: [{
      file: "client/pipeline/backoff.ts",
      find: "this.#options.random() * (step / 2)",
      replace: "Math.random() * (step / 2)",
    }],
  },
  {
    name: "a put without a time keeps that of the value before",
    edits: [{
      file: "server/kv/state_machine.ts",
      find: "if (ttlMs === 0) return this.#clearTime(version, key);",
      replace: "if (ttlMs === 0) return;",
    }],
  },
  {
    name: "a key is removed as expired that was written again meanwhile",
    edits: [{
      file: "server/kv/state_machine.ts",
      find: "if (this.#isExpired(key)) this.#removeExpired(version, key);",
      replace: "this.#removeExpired(version, key);",
    }],
  },
  {
    name: "a leader calls keys expired by its own clock, which nobody else knows of",
    edits: [{
      file: "server/expiry/clock_entries.ts",
      find: "if (earliestMs <= nowMs) this.#prepare(replica, nowMs);",
      replace: "if (earliestMs < 0) this.#prepare(replica, nowMs);",
    }, {
      file: "server/calls/hosted_replica.ts",
      find: "if (item === undefined || expiresAtMs === undefined) return item;",
      replace:
        "if (item === undefined || expiresAtMs === undefined) return item;\n      if (expiresAtMs <= nowMs) return undefined;",
    }],
  },
  {
    name: "keys expire by wall clocks",
    edits: [{
      file: "server/calls/hosted_replica.ts",
      find: "const reading = { appliedMs: this.machine.timeMs, monotonicMs };",
      replace: "const reading = { appliedMs: this.machine.timeMs, monotonicMs: this.#hostClock.wallMs() };",
    }],
  },
  {
    name: "nobody removes what has expired",
    edits: [{
      file: "server/node/node_loop.ts",
      find: "removal.tick();",
      replace: "void removal;",
    }],
  },
  {
    name: "a flush forgets sessions",
    edits: [{
      file: "server/state/replica_store.ts",
      find: "machine.takeUnsaved(Infinity));",
      replace: "machine.takeUnsaved(0));",
    }],
  },
  {
    name: "the log is let go of before the store holds what was in it",
    edits: [{
      file: "server/state/log_release.ts",
      find: "const { index } = point;",
      replace: "const index = status.applied;",
    }],
  },
  {
    name: "term and vote go with a segment",
    edits: [{
      file: "server/state/log_release.ts",
      find: "const records = encode([{ ...persist, point }]);",
      replace: "const records = encode([{ group, entries: persist.entries, point }]);",
    }],
  },
  {
    name: "of entries that are written again only the first one is",
    edits: [{
      file: "raft/snapshot.ts",
      find: "const entries = log.slice({ from: above + 1, through: log.written, bytesMax: Infinity });",
      replace: "const entries = log.slice({ from: above + 1, through: log.written, bytesMax: 0 });",
    }],
  },
  {
    name: "after a snapshot old entries count as if they followed it",
    edits: [{
      file: "server/state/replica_snapshots.ts",
      find: "isHeld ? state.logFloor : wal.end",
      replace: "state.logFloor",
    }],
  },
  {
    name: "a flush names the membership with which the replica was restored",
    edits: [{
      file: "server/calls/hosted_replica.ts",
      find: "    this.#membership = { index, membership };\n",
      replace: "",
    }],
  },
  {
    name: "after a snapshot the state machine goes on with the sessions it had",
    edits: [{
      file: "server/kv/state_machine.ts",
      find: "    this.#sessions = sessions;\n",
      replace: "",
    }],
  },
  {
    name: "a key that was deleted and is in a table comes back",
    edits: [{
      file: "server/kv/state_machine.ts",
      find: 'return kind === "delete" ? this.#hasRow(key) : undefined;',
      replace: "return false;",
    }],
  },
  ...[
    "a majority is one too small",
    "entries of an older term are committed by counting",
    "a new leader serves reads before it has committed in its term",
    "votes leave before they are durable",
    "entries are acknowledged before they are durable",
    "entries after the previous one are cut off though they match",
    "votes are given without a look at the log",
    "refusals are counted as acknowledgements",
    "a node votes for everybody who asks in a term",
    "any answer to a heartbeat confirms the newest round of reads",
    "a lease goes on after somebody was asked to stand",
    "a lease is counted from the answer",
    "a lease survives a pause",
    "a lease needs no majority",
    "in a joint membership one majority commits",
    "in a joint membership one majority elects",
    "a membership is in force as soon as it is appended",
    "the membership is forgotten in a restart",
    "a change may begin before the last one is in force",
    "a node that knows nobody shows nobody that it lives",
    "learners count",
    "replicas are not held to their promises",
    "promises are not written down",
  ].map(ofTheCore),
];

/**
 * Bugs that random runs meet too seldom for CI; `SIM_RARE=1` looks for them in hundreds of seeds. Those of
 * the core are caught in every run all the same, by the scripts and schedules of `tests/raft/`. Most moves
 * exchange one replica, and then any two majorities overlap, so mistakes with joint memberships seldom do
 * harm here.
 */
export const RARELY_MET: ReadonlySet<string> = new Set([
  // What a lagging replica has is seldom longer than what it gets; `recovery_test.ts` has the case.
  "after a snapshot old entries count as if they followed it",
  "a leader moves its group by a picture of the past",
  "forwarded calls are numbered from one after every restart",
  "a node is removed that group 0 needs for a majority",
  "the end of a rebalance is taken for the end of a removal",
  "a move is called done that was taken back meanwhile",
  "a lease goes on after somebody was asked to stand",
  "in a joint membership one majority commits",
  "a membership is in force as soon as it is appended",
  "a change may begin before the last one is in force",
  "a node that knows nobody shows nobody that it lives",
]);

function ofTheCore(name: string): Mutant {
  const bug = CORE_MUTANTS.find((each) => each.name === name);
  if (bug === undefined) throw new Error(`Cannot plant "${name}": the core's list has no such bug`);
  return bug;
}
