/**
 * Bugs that other systems really had, as edits of this core's source. Each must be caught by the random schedules: a
 * checker that lets one of them pass is worth nothing. Bugs that this core's own leaders can never provoke (a follower
that commits beyond what a message proves, a leader that counts its entries before they are durable) are tested with
messages written by hand instead, in `tests/raft/*.txt`.
 *
 * @module
 */

/** One edit of one file; `find` must occur exactly once. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A named bug. */
export interface PlantedBug {
  readonly name: string;
  readonly edits: readonly Edit[];
}

/** See the module comment. */
export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    name: "a majority is one too small",
    edits: [{
      file: "quorum.ts",
      find: "Math.floor(voterCount / 2) + 1",
      replace: "Math.floor(voterCount / 2)",
    }],
  },
  {
    name: "entries of an older term are committed by counting",
    edits: [{ file: "replication.ts", find: "|| log.termAt(index) !== state.term", replace: "" }],
  },
  {
    name: "a new leader serves reads before it has committed in its term",
    edits: [{ file: "read_index.ts", find: "|| log.termAt(log.committed) !== state.term", replace: "" }],
  },
  {
    name: "the vote is not persisted",
    edits: [{
      file: "replica_ready.ts",
      find: "const hardState = isChanged ? { hardState: state.persisted } : {};",
      replace: "const hardState = isChanged ? { hardState: { ...state.persisted, vote: 0 } } : {};",
    }],
  },
  {
    name: "votes leave before they are durable",
    edits: [{
      file: "replica_ready.ts",
      find: "!isVoteDurable || promisesBeyond",
      replace: "promisesBeyond",
    }],
  },
  {
    name: "entries are acknowledged before they are durable",
    edits: [{
      file: "replica_ready.ts",
      find: "!isVoteDurable || promisesBeyond(message, durable)",
      replace: "!isVoteDurable && promisesBeyond(message, durable)",
    }],
  },
  {
    name: "entries after the previous one are cut off though they match",
    edits: [{
      file: "log.ts",
      find: "const fresh = this.#firstDifference(entries);",
      replace: "const fresh = 0 * this.#firstDifference(entries);",
    }],
  },
  {
    name: "a heartbeat lets a follower commit its own divergent tail",
    edits: [
      {
        file: "replication.ts",
        find: "commit: Math.min(follower.matchIndex, state.log.committed),",
        replace: "commit: state.log.committed,",
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
    edits: [{
      file: "election.ts",
      find: "return state.log.isCompletedBy({ index: message.lastLogIndex, term: message.lastLogTerm });",
      replace: "return message.lastLogIndex >= 0 || state.now < 0;",
    }],
  },
  {
    name: "logs are compared by length before term",
    edits: [{
      file: "log.ts",
      find: "if (position.term !== this.lastTerm) return position.term > this.lastTerm;",
      replace: "",
    }],
  },
  {
    name: "any answer to a heartbeat confirms the newest round of reads",
    edits: [{
      file: "replication.ts",
      find: "Math.min(message.readRound, state.reads.lastRound)",
      replace: "state.reads.lastRound",
    }],
  },
  {
    name: "refusals are counted as acknowledgements",
    edits: [{
      file: "replication.ts",
      find: "const isNew = message.success\n",
      replace: "const isNew = true\n",
    }],
  },
  {
    name: "a node votes for everybody who asks in a term",
    edits: [{
      file: "election.ts",
      find: "const granted = message.term === state.term && mayVote &&",
      replace:
        "if (!mayVote && state.role === 'follower') state.vote = 0;\n const granted = state.role === 'follower' &&",
    }],
  },
  {
    name: "probing never recovers from a lost append",
    edits: [{
      file: "progress.ts",
      find: "    this.isWaiting = false;\n    this.isSuspect = true;",
      replace: "",
    }],
  },
  {
    name: "reads die unanswered with the leadership",
    edits: [{ file: "election.ts", find: "  failLeaderReads(state);\n", replace: "" }],
  },
];
