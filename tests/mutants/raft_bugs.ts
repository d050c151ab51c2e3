/**
 * Bugs that other systems really had, as edits of this core's source. Each must be caught: by the random
 * schedules, or where chance would need tens of thousands of them, by the text scripts, which walk straight
 * to the rare moment. A checker that lets one of them pass is worth nothing.
 *
 * @module
 */

import type { Mutant, PlantedBug } from "./planter.ts";
import { REPLICA_BUGS } from "./replica_bugs.ts";

/** See the module comment. */
export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    name: "a majority is one too small",
    caughtBy: "schedules",
    edits: [{
      file: "quorum.ts",
      find: "Math.floor(voterCount / 2) + 1",
      replace: "Math.floor(voterCount / 2)",
    }],
  },
  {
    name: "entries of an older term are committed by counting",
    caughtBy: "scripts",
    edits: [{ file: "replication.ts", find: "|| log.termAt(index) !== state.term", replace: "" }],
  },
  {
    name: "a new leader serves reads before it has committed in its term",
    caughtBy: "schedules",
    edits: [{ file: "read_index.ts", find: " && log.termAt(log.committed) === term", replace: "" }],
  },
  {
    name: "the vote is not persisted",
    caughtBy: "scripts",
    edits: [{
      file: "replica_ready.ts",
      find: "const hardState = isChanged ? { hardState: state.persisted } : {};",
      replace: "const hardState = isChanged ? { hardState: { ...state.persisted, vote: 0 } } : {};",
    }],
  },
  {
    name: "votes leave before they are durable",
    caughtBy: "schedules",
    edits: [{
      file: "replica_ready.ts",
      find: "!isVoteDurable || promisesBeyond",
      replace: "promisesBeyond",
    }],
  },
  {
    name: "a vote that is still being written holds nothing back",
    caughtBy: "scripts",
    edits: [{
      file: "replica_ready.ts",
      find: "!isVoteNew && !state.votesInWriting.includes(true);",
      replace: "!isVoteNew;",
    }],
  },
  {
    name: "a write makes durable what was replaced while it was under way",
    caughtBy: "schedules",
    edits: [{
      file: "log.ts",
      find: "this.#writes = this.#writes.map((through) => Math.min(through, index - 1));",
      replace: "",
    }],
  },
  {
    name: "entries are acknowledged before they are durable",
    caughtBy: "schedules",
    edits: [{
      file: "replica_ready.ts",
      find: "!isVoteDurable || promisesBeyond(message, log.durable)",
      replace: "!isVoteDurable && promisesBeyond(message, log.durable)",
    }],
  },
  {
    name: "entries after the previous one are cut off though they match",
    caughtBy: "schedules",
    edits: [{
      file: "log.ts",
      find: "const fresh = this.#firstDifference(entries);",
      replace: "const fresh = 0 * this.#firstDifference(entries);",
    }],
  },
  {
    name: "a follower commits beyond what the message proves",
    caughtBy: "scripts",
    edits: [{
      file: "follower.ts",
      find: "const commit = Math.min(message.commit, lastProven);",
      replace: "const commit = Math.min(message.commit, log.lastIndex);",
    }],
  },
  {
    name: "an append below the commit index is taken for equal",
    caughtBy: "scripts",
    edits: [{
      file: "follower.ts",
      find: "if (contradiction !== undefined) return",
      replace: "if (contradiction !== undefined && log.committed < prevLogIndex) return",
    }],
  },
  {
    name: "a leader tells a commit that its own disk does not hold",
    caughtBy: "scripts",
    edits: [{
      file: "replication.ts",
      find: "return Math.min(log.committed, log.durable);",
      replace: "return log.committed;",
    }],
  },
  {
    name: "replicas are not held to their promises",
    caughtBy: "scripts",
    edits: [{
      file: "promises.ts",
      find: "if (isSame && term >= reminder.term && (!isOwed || isHeld)) return undefined;",
      replace: "if (isSame || term >= 0 || !isOwed || isHeld) return undefined;",
    }],
  },
  {
    name: "promises are not written down",
    caughtBy: "scripts",
    edits: [{
      file: "replica_ready.ts",
      find: "const promises = isPromiseDue ? risenPromises(state) : NO_PROMISES;",
      replace: "const promises = isPromiseDue && state.term < 0 ? risenPromises(state) : NO_PROMISES;",
    }],
  },
  {
    name: "a message of an earlier term resets the election timer",
    caughtBy: "scripts",
    edits: [{
      file: "replica.ts",
      find: "this.#answerStale(message);",
      replace: "this.#answerStale(message); state.electionStart = state.now;",
    }],
  },
  {
    name: "a later term in an answer is ignored",
    caughtBy: "scripts",
    edits: [{
      file: "replica.ts",
      find: "if (isUnwanted) return false;",
      replace: 'if (isUnwanted || message.kind === "appendResponse") return false;',
    }],
  },
  {
    name: "what is committed is told by heartbeats only",
    caughtBy: "scripts",
    edits: [{
      file: "replication.ts",
      find: "else if (progress.commitSent < tellableCommit(state) &&",
      replace: "else if (progress.commitSent < 0 &&",
    }],
  },
  {
    name: "a notice tells more than its receiver is known to hold",
    caughtBy: "schedules",
    edits: [{
      file: "replication.ts",
      find: "&& progress.matchIndex === log.lastIndex) {",
      replace: "&& progress.nextIndex > log.firstIndex) {",
    }],
  },
  {
    name: "a heartbeat lets a follower commit its own divergent tail",
    caughtBy: "schedules",
    edits: [
      {
        file: "replication.ts",
        find: "const commit = Math.min(follower.matchIndex, tellableCommit(state));",
        replace: "const commit = state.log.committed;",
      },
      {
        file: "follower.ts",
        find: "state.log.commitTo(message.commit);",
        replace: "state.log.commitTo(Math.min(message.commit, state.log.lastIndex));",
      },
    ],
  },
  {
    name: "votes are given without a look at the log",
    caughtBy: "schedules",
    edits: [{
      file: "election.ts",
      find: "return state.log.isCompletedBy(end) ||",
      replace: "return end.index >= 0 ||",
    }],
  },
  {
    name: "logs are compared by length before term",
    caughtBy: "schedules",
    edits: [{
      file: "log.ts",
      find: "if (position.term !== this.lastTerm) return position.term > this.lastTerm;",
      replace: "",
    }],
  },
  {
    name: "any answer to a heartbeat confirms the newest round of reads",
    caughtBy: "scripts",
    edits: [{
      file: "replication.ts",
      find: "Math.min(message.readRound, state.reads.lastRound)",
      replace: "state.reads.lastRound",
    }],
  },
  {
    name: "a round of reads does not wait for the floor",
    caughtBy: "scripts",
    edits: [{
      file: "read_index.ts",
      find: "round: reads.lastRound, readIndex: newestIndex(state), origins: reads.waiting }",
      replace: "round: reads.lastRound, readIndex: state.log.committed, origins: reads.waiting }",
    }],
  },
  {
    name: "a lease answers reads from below the floor",
    caughtBy: "scripts",
    edits: [{
      file: "read_index.ts",
      find: "round: reads.lastRound, readIndex: newestIndex(state), origins });",
      replace: "round: reads.lastRound, readIndex: state.log.committed, origins });",
    }],
  },
  {
    name: "the floor of reads outlives the leadership",
    caughtBy: "scripts",
    edits: [{ file: "read_index.ts", find: "  reads.floor = 0;\n", replace: "" }],
  },
  {
    name: "refusals are counted as acknowledgements",
    caughtBy: "schedules",
    edits: [{
      file: "replication.ts",
      find: "const isNew = message.success\n",
      replace: "const isNew = true\n",
    }],
  },
  {
    name: "a node votes for everybody who asks in a term",
    caughtBy: "schedules",
    edits: [{
      file: "election.ts",
      find: "const granted = message.term === state.term && mayVote &&",
      replace:
        "if (!mayVote && state.role === 'follower') state.vote = 0;\n const granted = state.role === 'follower' &&",
    }],
  },
  {
    name: "probing never recovers from a lost append",
    caughtBy: "schedules",
    edits: [{
      file: "progress.ts",
      find: "    this.isWaiting = false;\n    this.isSuspect = true;",
      replace: "",
    }],
  },
  {
    name: "reads die unanswered with the leadership",
    caughtBy: "schedules",
    edits: [{ file: "election.ts", find: "  failLeaderReads(state);\n", replace: "" }],
  },
  {
    name: "a lease is counted from the answer",
    caughtBy: "scripts",
    edits: [{
      file: "replication.ts",
      find: "Math.min(message.sentAt, state.node.clock)",
      replace: "state.node.clock",
    }],
  },
  {
    name: "a lease goes on after somebody was asked to stand",
    caughtBy: "scripts",
    edits: [{ file: "transfer.ts", find: "  state.isLeaseOver = true;\n", replace: "" }],
  },
  {
    name: "a lease survives a pause",
    caughtBy: "schedules",
    edits: [{
      file: "node_state.ts",
      find: "this.clock = Math.max(this.clock, ticks);",
      replace: "this.clock = Math.max(this.now, 0 * ticks);",
    }],
  },
  {
    name: "a lease is longer than the promise it rests on",
    caughtBy: "scripts",
    edits: [{
      file: "lease.ts",
      find: "const LEASE_FRACTION = 0.8;",
      replace: "const LEASE_FRACTION = 1.5;",
    }],
  },
  {
    name: "a lease needs no majority",
    caughtBy: "schedules",
    edits: [{
      file: "lease.ts",
      find: "node.clock - progress.leaseByMajority() < leaseTicks(config)",
      replace: "true",
    }],
  },
  {
    name: "a promise is forgotten in a crash",
    caughtBy: "scripts",
    edits: [{
      file: "state.ts",
      find: "if (config.leaseReads && this.term > 0) this.promisedAt = node.now;",
      replace: "",
    }],
  },
  {
    name: "a quiet follower does not notice that its leader's node is silent",
    caughtBy: "schedules",
    edits: [{
      file: "replica.ts",
      find: "if (state.isQuiet && isConcerned) wake(state);",
      replace: "if (state.isQuiet && isConcerned && state.role === 'leader') wake(state);",
    }],
  },
  {
    name: "a quiet leader does not notice that it is alone",
    caughtBy: "scripts",
    edits: [{
      file: "replica.ts",
      find: "if (state.isQuiet && isConcerned) wake(state);",
      replace: "if (state.isQuiet && isConcerned && state.role !== 'leader') wake(state);",
    }],
  },
  {
    name: "a word of quiet is taken without a look at the log",
    caughtBy: "scripts",
    edits: [{
      file: "quiet.ts",
      find: "log.lastIndex === message.commit && log.lastTerm === message.term",
      replace: "log.lastIndex === message.commit",
    }],
  },
  {
    name: "a group falls quiet while a read is under way",
    caughtBy: "scripts",
    edits: [{ file: "quiet.ts", find: "isSettled(state) && !isAsking", replace: "isSettled(state)" }],
  },
  {
    name: "in a joint membership one majority commits",
    caughtBy: "scripts",
    edits: [{
      file: "progress_table.ts",
      find:
        "return Math.min(this.#reachedBy(this.#voters, measure), this.#reachedBy(this.#votersOutgoing, measure));",
      replace:
        "return this.#reachedBy(this.#votersOutgoing.length > 0 ? this.#votersOutgoing : this.#voters, measure);",
    }],
  },
  {
    name: "in a joint membership one majority elects",
    caughtBy: "scripts",
    edits: [{
      file: "quorum.ts",
      find: 'return incoming === "won" && outgoing === "won" ?',
      replace: 'return incoming === "won" || outgoing === "won" ?',
    }],
  },
  {
    name: "a membership is in force as soon as it is appended",
    caughtBy: "scripts",
    edits: [{
      file: "proposal.ts",
      find: "  return accept(state, nextEntry(state, { kind: EntryKind.membership, data }));",
      replace: "  state.membership = decodeMembership(data);\n" +
        "  return accept(state, nextEntry(state, { kind: EntryKind.membership, data }));",
    }, {
      file: "proposal.ts",
      find: 'import { entryBytes } from "./log.ts";',
      replace:
        'import { entryBytes } from "./log.ts";\nimport { decodeMembership } from "./membership_codec.ts";',
    }],
  },
  {
    name: "the membership is forgotten in a restart",
    caughtBy: "schedules",
    edits: [
      { file: "state.ts", find: "if (index === undefined) {", replace: "if (index !== -1) {" },
      {
        file: "state.ts",
        find: "index: snapshot.membershipIndex, commit }",
        replace: "index: index ?? snapshot.membershipIndex, commit }",
      },
    ],
  },
  {
    name: "a change may begin before the last one is in force",
    caughtBy: "scripts",
    edits: [{
      file: "reconfiguration.ts",
      find: "return isJoint(state.membership) || !isSettledHere(state);",
      replace: "return false;",
    }],
  },
  {
    name: "who has to catch up votes at once",
    caughtBy: "scripts",
    edits: [{
      file: "reconfiguration.ts",
      find: "if (!promoted.every(",
      replace: "if (promoted.length > 9 && !promoted.every(",
    }],
  },
  {
    name: "a removed leader goes on leading",
    caughtBy: "scripts",
    edits: [{
      file: "reconfiguration.ts",
      find: "  if (!state.isVoter) return stepDown(state, progress);\n",
      replace: "",
    }],
  },
  {
    name: "a change is called over before a majority knows that it is",
    caughtBy: "scripts",
    edits: [{ file: "reconfiguration.ts", find: " && log.committed >= sealIndex;", replace: ";" }],
  },
  {
    name: "who is asked to stand before it has applied a membership forgets it",
    caughtBy: "scripts",
    edits: [{ file: "reconfiguration.ts", find: "  maybeStandAsAsked(state);\n", replace: "" }],
  },
  {
    name: "a node that knows nobody shows nobody that it lives",
    caughtBy: "scripts",
    edits: [{
      file: "multi_raft.ts",
      find:
        "this.#nodeHeartbeats.push(nodeHeartbeat({ from: this.#config.nodeId, to: from, isAnswer: true }));",
      replace: "",
    }],
  },
  {
    name: "a learner that holds no membership gets a vote",
    caughtBy: "scripts",
    edits: [{
      file: "reconfiguration.ts",
      find: "if (follower === undefined || follower.matchIndex < state.membershipIndex) return false;",
      replace: "",
    }],
  },
  {
    name: "learners count",
    caughtBy: "scripts",
    edits: [{
      file: "progress_table.ts",
      find: "this.#voters = progressOf(membership.voters);",
      replace: "this.#voters = progressOf([...membership.voters, ...membership.learners]);",
    }],
  },
  {
    name: "a longer log that nobody can lead with keeps others from being elected",
    caughtBy: "scripts",
    edits: [{
      file: "election.ts",
      find: "return state.log.isCompletedBy(end) || isRetiredFor(state, end);",
      replace: "return state.log.isCompletedBy(end) || (state.term < 0 && isRetiredFor(state, end));",
    }],
  },
  {
    name: "a promise ends with the term",
    caughtBy: "scripts",
    edits: [{ file: "lease.ts", find: "  state.promisedAt = state.now;\n", replace: "" }],
  },
  {
    name: "divergent entries are glued behind a snapshot",
    caughtBy: "schedules",
    edits: [
      {
        file: "log.ts",
        find: "const isHeld = this.termAt(index) === term;",
        replace: "const isHeld = index <= this.lastIndex && term > 0;",
      },
      {
        file: "snapshot.ts",
        find: "log.termAt(position.index) === position.term",
        replace: "position.index <= log.lastIndex",
      },
    ],
  },
  {
    name: "there is a gap between a snapshot and the log",
    caughtBy: "schedules",
    edits: [{
      file: "log.ts",
      find: "    this.#durable = index;\n    this.#written = index;",
      replace: "    this.#durable = index;\n    this.#written = Math.max(index, this.#written);",
    }],
  },
  {
    name: "an old write makes durable what follows a snapshot",
    caughtBy: "scripts",
    edits: [{ file: "log.ts", find: "    this.#writes = this.#writes.map(() => index);\n", replace: "" }],
  },
  {
    name: "a snapshot below what is applied is installed",
    caughtBy: "schedules",
    edits: [{
      file: "snapshot.ts",
      find: "if (snapshot === undefined || snapshot.index <= state.log.applied) return;",
      replace: "if (snapshot === undefined) return;",
    }],
  },
  {
    name: "a snapshot brings no membership",
    caughtBy: "scripts",
    edits: [{
      file: "snapshot.ts",
      find: "if (membershipIndex <= state.membershipIndex) return;",
      replace: "if (membershipIndex < Infinity) return;",
    }],
  },
  {
    name: "a membership comes without the index of its entry",
    caughtBy: "scripts",
    edits: [{
      file: "reconfiguration.ts",
      find: "return { group: state.group, index: membershipIndex, membership };",
      replace: "return { group: state.group, index: 0, membership };",
    }],
  },
  {
    name: "a replica takes in entries while its state is exchanged",
    caughtBy: "schedules",
    edits: [{ file: "follower.ts", find: "  if (state.isSuspended) return;\n", replace: "" }],
  },
  {
    name: "a replica stands for election while its state is exchanged",
    caughtBy: "scripts",
    edits: [{
      file: "state.ts",
      find: "return !this.isSuspended && this.isVoter &&",
      replace: "return this.isVoter &&",
    }],
  },
  {
    name: "what is written again lacks the term in which entries were replaced",
    caughtBy: "scripts",
    edits: [{
      file: "snapshot.ts",
      find: "const hardState = { term, vote, commit: state.persisted.commit };",
      replace: "const hardState = term + vote < 0 ? { term, vote, commit: 0 } : state.persisted;",
    }],
  },
  {
    name: "nobody is reminded of what was compacted",
    caughtBy: "scripts",
    edits: [{
      file: "snapshot.ts",
      find: "  if (index >= state.log.firstIndex) notePromises(state);\n",
      replace: "",
    }],
  },
  {
    name: "a leader probes at an entry that it has let go of",
    caughtBy: "schedules",
    edits: [{
      file: "replication.ts",
      find: "if (progress.nextIndex < log.firstIndex) progress.becomeSnapshot",
      replace:
        'if (progress.nextIndex < log.firstIndex && progress.state !== "snapshot") progress.becomeSnapshot',
    }],
  },
  {
    name: "nobody is told that it needs a snapshot",
    caughtBy: "schedules",
    edits: [{
      file: "follower.ts",
      find: "return onSnapshotNotice(state, message);",
      replace: "return message.index < 0 ? onSnapshotNotice(state, message) : undefined;",
    }],
  },
  ...REPLICA_BUGS,
];

/** The same bugs, with the paths that the planter wants: from the root. */
export const CORE_MUTANTS: readonly Mutant[] = PLANTED_BUGS.map(({ name, edits }) => ({
  name,
  edits: edits.map((edit) => ({ ...edit, file: `raft/${edit.file}` })),
}));
