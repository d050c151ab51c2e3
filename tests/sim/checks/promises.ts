/**
 * What nodes have told each other, and may therefore never forget. A message leaves only when what it
 * promises is durable, so a node that comes back from a crash must still know it: its term, its vote, and the
 * entries it acknowledged.
 *
 * @module
 */

import type { GroupId, Message, NodeId, RaftStatus, ReplicaId, Term } from "../../../raft/mod.ts";
import type { Judge } from "./judge.ts";

/** What one node has promised in one group. */
interface Promised {
  term: Term;
  /** The highest index acknowledged in `term`. */
  match: number;
  /** The candidates it voted for, by term. */
  readonly votes: Map<Term, NodeId>;
}

/** A replica: another one that comes later on the same node has promised nothing of it. */
interface NamedReplica {
  readonly node: NodeId;
  readonly group: GroupId;
  readonly replicaId: ReplicaId;
}

/** One term of one group. */
interface GroupTerm {
  readonly group: GroupId;
  readonly term: Term;
}

/** What is known of a message that gives a vote. */
interface GivenVote {
  readonly group: GroupId;
  readonly fromReplica?: ReplicaId;
  readonly from: NodeId;
  readonly term: Term;
}

/** See the module comment. */
export class Promises {
  readonly #judge: Judge;
  readonly #byReplica = new Map<string, Promised>();
  /** The leader of a group's term, by `group/term`. */
  readonly #leaders = new Map<string, NodeId>();
  readonly #highestTerms = new Map<GroupId, Term>();

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  /** A node sends `message`. */
  hear(message: Message): void {
    const { kind, from, to, group, term } = message;
    if (kind === "preVoteRequest" || kind === "preVoteResponse") return;
    this.#highestTerms.set(group, Math.max(term, this.highestTerm(group)));
    const promised = this.#of({ node: from, group, replicaId: message.fromReplica ?? 0 });
    if (term > promised.term) {
      promised.term = term;
      promised.match = 0;
    }
    if (kind === "voteRequest") this.#vote(message, from);
    if (kind === "voteResponse" && message.granted) this.#vote(message, to);
    if (kind === "appendRequest" || kind === "heartbeatRequest") this.leads(from, { group, term });
    if (kind === "appendResponse" && message.success && term === promised.term) {
      promised.match = Math.max(promised.match, message.matchIndex);
    }
  }

  /** The highest term any node has spoken in. */
  highestTerm(group: GroupId): Term {
    return this.#highestTerms.get(group) ?? 0;
  }

  /** The last leader of `group`, as far as any node has said. */
  leaderOf(group: GroupId): NodeId | undefined {
    return this.#leaders.get(`${group}/${this.highestTerm(group)}`);
  }

  /** A node leads a term, as it says itself. */
  leads(node: NodeId, { group, term }: GroupTerm): void {
    this.#highestTerms.set(group, Math.max(term, this.highestTerm(group)));
    const key = `${group}/${term}`;
    const known = this.#leaders.get(key);
    if (known === undefined) this.#leaders.set(key, node);
    else if (known !== node) {
      this.#judge.fail(`nodes ${known} and ${node} lead term ${term} of group ${group}`);
    }
  }

  /** A replica has come back: it must know what it promised. */
  restarted(node: NodeId, view: RaftStatus): void {
    const { group, replicaId } = view;
    const { term, match } = this.#of({ node, group, replicaId });
    if (view.term < term) {
      this.#judge.fail(
        `node ${node} comes back in term ${view.term} of group ${view.group}: it has spoken in ${term}`,
      );
    }
    if (view.term === term && view.lastIndex < match) {
      this.#judge.fail(
        `node ${node} comes back with ${view.lastIndex} entries of group ${view.group}: it acknowledged ${match}`,
      );
    }
  }

  #vote(message: GivenVote, candidate: NodeId): void {
    const { from: node, group, fromReplica: replicaId = 0 } = message;
    const { votes } = this.#of({ node, group, replicaId });
    const before = votes.get(message.term);
    if (before === undefined) votes.set(message.term, candidate);
    else if (before !== candidate) {
      this.#judge.fail(
        `node ${message.from} votes for ${candidate} in term ${message.term} of group ${message.group}: ` +
          `it has voted for ${before}`,
      );
    }
  }

  #of({ node, group, replicaId }: NamedReplica): Promised {
    const key = `${node}/${group}/${replicaId}`;
    let promised = this.#byReplica.get(key);
    if (promised === undefined) {
      promised = { term: 0, match: 0, votes: new Map() };
      this.#byReplica.set(key, promised);
    }
    return promised;
  }
}
