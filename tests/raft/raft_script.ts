/**
 * The commands of the scripts in this folder. Nodes are named by number, the group is always 1.
 *
 * | command | does |
 * |---|---|
 * | `cluster 1 2 3 [voters=1,2] [timeout=10 …]` | declares the nodes, all of them voters unless said
 * otherwise; options are those of the core, `lease=yes`, `priority=2,3,1`, or `replicas=yes` for replicas
 * with ids, at first those of their nodes |
 * | `state N [log=1,1,2] [snapshot=3/1] [term= vote= commit= replica=]` | what N starts from; `log` holds the
 * terms |
 * | `elect N` | lets the others fall silent until N leads, and says which term |
 * | `tick N [count]` · `tick all [count]` | time passes, nothing else happens |
 * | `pause N TICKS` | N stands still: its clock goes on, its ticks do not |
 * | `campaign N` | ticks N alone until it stands for election |
 * | `propose N [count]` · `read N ID` · `transfer N TO` · `unreachable N PEER` | asks the core |
 * | `floor N INDEX` | no read asked from now on is answered by N from below INDEX |
 * | `reading N` · `refuse N` | the reads for which the next turn of N opens a round; refuses followers' |
 * | `remind N TO` | N says what TO has promised to it (`raft/promises.ts`) |
 * | `replicas N\|all [1=1 2=4 …]` | N hears which replica each node has (`raft/replica_ids.ts`) |
 * | `prefer N\|all [priority=2,3,1]` | changes the order in which N thinks that replicas should lead |
 * | `change N voters=1,2 [learners=3] [replicas=1,2,5]` | asks N to change the membership; the ids are those
 * of voters and learners in their order |
 * | `begin N` · `finish N` · `turn N` | the halves of a turn, before and after the disk; or all of it |
 * | `crash N` · `start N` | N dies, without what was not persisted; comes back |
 * | `format N [log= …]` | what is on the disk of N from now on, as of `state`; N is down |
 * | `show` · `deliver` · `drop` · `double` `[FROM->TO] [KIND]` | messages on their way, all or some |
 * | `cut A->B` · `isolate N …` · `heal` | links |
 * | `settle` · `wait TICKS` | turns and deliveries until nothing is left to do; the same with time passing |
 * | `inject KIND from= to= term= …` | a message made by hand arrives |
 * | `compact N INDEX` · `keep N` | N forgets entries; its disk has its state, and the log above only |
 * | `again N ABOVE` | what N would write again; its disk holds nothing else then |
 * | `suspend N` · `resume N [INDEX/TERM]` | the halves of an installation for the core alone |
 * | `held N INDEX/TERM` | whether the entry is on the disk of N |
 * | `switch N FROM` · `install N FROM` | the state of FROM takes the place of that of N on disk; all of it |
 * | `members [N …]` | the membership in force at each |
 * | `status [N …]` · `log N` · `progress N` · `applied N` · `bytes N` | what there is to see |
 *
 * @module
 */

import {
  InvariantViolation,
  type Message,
  type MultiRaft,
  type MultiRaftConfig,
  type Restored,
} from "../../raft/mod.ts";
import type { ScriptCommand } from "../script/script_file.ts";
import {
  appliedText,
  Cluster,
  emptyState,
  type ModelNode,
  stateWithLog,
  textBytes,
} from "./model/cluster.ts";
import {
  describeBegin,
  describeEntries,
  describeFinish,
  describeMembership,
  describeMessage,
  describePersist,
  describeProgress,
  describeStatus,
  parseMessage,
} from "./model/describe.ts";
import { snapshotOf } from "./model/snapshots.ts";

/** The one group of a script. */
const GROUP = 1;
/** Options of `cluster` that are fields of the configuration. */
const CONFIG_OPTIONS: ReadonlyMap<string, keyof MultiRaftConfig> = new Map([
  ["timeout", "electionTimeoutTicks"],
  ["heartbeat", "heartbeatTicks"],
  ["inflight", "inflightMessagesMax"],
  ["inflightBytes", "inflightBytesMax"],
  ["appendBytes", "appendBytesMax"],
  ["uncommittedBytes", "uncommittedBytesMax"],
  ["committedBytes", "committedBytesMax"],
  ["reads", "readsWaitingMax"],
  ["lease", "leaseReads"],
  ["quiet", "quietAfterTicks"],
]);

/** One running script. */
export class RaftScript {
  #declared: ScriptCommand | undefined;
  readonly #states = new Map<number, Restored>();
  #cluster: Cluster | undefined;
  #proposed = 0;

  /** Runs one command; a broken invariant is something a script may want to see. */
  run(command: ScriptCommand): readonly string[] {
    try {
      return this.#declare(command) ?? this.#ask(command) ?? this.#move(command) ?? this.#look(command) ??
        this.#snapshots(command) ?? unknown(command);
    } catch (error) {
      if (error instanceof InvariantViolation) return [error.message];
      throw error;
    }
  }

  #declare(command: ScriptCommand): readonly string[] | undefined {
    switch (command.name) {
      case "cluster":
        this.#declared = command;
        return [];
      case "state":
        this.#states.set(Number(command.words[0]), this.#parseState(command));
        return [];
      default:
        return undefined;
    }
  }

  #ask(command: ScriptCommand): readonly string[] | undefined {
    const [first, second] = command.words.map(Number);
    switch (command.name) {
      case "propose":
        return this.#propose(this.#node(first), second ?? 1);
      case "read":
        return refusal(this.#node(first).core.readIndex(GROUP, second ?? 0));
      case "transfer":
        return refusal(this.#node(first).core.transferLeadership(GROUP, second ?? 0));
      case "change": {
        const ids = (name: string) => command.options.get(name)?.split(",").map(Number) ?? [];
        const named = ids("replicas").map((
          id,
          place,
        ) => [[...ids("voters"), ...ids("learners")][place]!, id]);
        const replicaIds = new Map(named as [number, number][]);
        const target = { voters: ids("voters"), learners: ids("learners"), replicaIds };
        const result = this.#node(first).core.changeMembership(GROUP, target);
        return result.accepted ? [`the change is ${result.index}/${result.term}`] : refusal(result);
      }
      case "prefer": {
        const order = command.options.get("priority")?.split(",").map(Number) ?? [];
        const nodes = command.words[0] === "all" ? this.#started.nodes : [this.#node(first)];
        for (const node of nodes) node.raft?.setPriority(GROUP, order);
        return [];
      }
      case "replicas": {
        const ids = new Map([...command.options].map(([node, id]) => [Number(node), Number(id)]));
        const nodes = command.words[0] === "all" ? this.#started.nodes : [this.#node(first)];
        for (const node of nodes) node.raft?.setReplicas(GROUP, ids);
        return [];
      }
      case "floor":
        this.#node(first).core.raiseReadFloor(GROUP, second ?? 0);
        return [];
      case "reading":
        return [describeReading(this.#node(first).core)];
      case "refuse":
        this.#node(first).core.refusePassedOnReads(GROUP);
        return [];
      case "remind":
        return this.#remind(this.#node(first), this.#node(second));
      case "unreachable":
        this.#node(first).core.reportUnreachable(second ?? 0);
        return [];
      case "inject": {
        const message = parseMessage(command);
        this.#node(message.to).core.step(message);
        return [];
      }
      case "tick":
        return this.#tick(command.words[0] ?? "all", second ?? 1);
      case "pause":
        this.#node(first).clock += second ?? 0;
        return [];
      case "elect":
        return [`${first} leads term ${this.#started.makeLeader(first ?? 0).status(GROUP).term}`];
      case "campaign":
        return this.#campaign(this.#node(first));
      default:
        return undefined;
    }
  }

  #move(command: ScriptCommand): readonly string[] | undefined {
    const cluster = this.#started;
    const [first] = command.words.map(Number);
    switch (command.name) {
      case "begin":
        return [`${first}:`, ...describeBegin(cluster.begin(this.#node(first)))];
      case "finish":
        return this.#finish(this.#node(first));
      case "turn": {
        const node = this.#node(first);
        return [`${first}:`, ...describeBegin(cluster.begin(node)), ...this.#finish(node).slice(1)];
      }
      case "crash":
        cluster.crash(this.#node(first));
        return [];
      case "format":
        cluster.format(this.#node(first), GROUP, this.#parseState(command));
        return [];
      case "start":
        cluster.start(this.#node(first));
        return [];
      case "settle":
        cluster.settle();
        return [];
      case "wait":
        cluster.tick(first ?? 1);
        return [];
      case "cut":
        command.words.forEach((link) => cluster.cuts.add(link.replace("->", ">")));
        return [];
      case "isolate":
        cluster.isolate(...command.words.map(Number));
        return [];
      case "heal":
        cluster.heal();
        return [];
      default:
        return this.#carry(command);
    }
  }

  #snapshots(command: ScriptCommand): readonly string[] | undefined {
    const [first, second = 0] = command.words.map(Number);
    const [, position = ""] = command.words;
    const [index = 0, term = 0] = position.split("/").map(Number);
    switch (command.name) {
      case "compact":
        this.#node(first).core.compact(GROUP, second);
        return [];
      case "keep":
        this.#node(first).disk.flush(GROUP, snapshotOf(this.#node(first), GROUP));
        return [];
      case "again":
        return writeAgain(this.#node(first), second);
      case "suspend":
        this.#node(first).core.suspend(GROUP);
        return [];
      case "held":
        return [`${this.#node(first).core.holdsEntry(GROUP, { index, term }) ?? "not known yet"}`];
      case "resume": {
        const { snapshot } = emptyState(this.#voters);
        this.#node(first).core.resume(GROUP, ...(index === 0 ? [] : [{ ...snapshot, index, term }]));
        return [];
      }
      case "switch":
        switchState(this.#node(first), this.#node(second));
        return [];
      case "install":
        return install(this.#node(first), this.#node(second));
      default:
        return undefined;
    }
  }

  #carry(command: ScriptCommand): readonly string[] | undefined {
    const cluster = this.#started;
    switch (command.name) {
      case "show":
        return this.#matching(command).map(describeMessage);
      case "deliver":
        return this.#take(command).map((message) => {
          cluster.deliver(message);
          return describeMessage(message);
        });
      case "drop":
        return this.#take(command).map(describeMessage);
      case "double":
        cluster.inTransit.push(...this.#matching(command));
        return [];
      default:
        return undefined;
    }
  }

  #look(command: ScriptCommand): readonly string[] | undefined {
    const node = () => this.#node(Number(command.words[0]));
    switch (command.name) {
      case "status":
        return this.#named(command).map(describeNode);
      case "members":
        return this.#named(command).map(describeMembers);
      case "log":
        return [describeEntries(node().disk.group(GROUP).entries)];
      case "progress":
        return describeProgress(node().status(GROUP));
      case "applied":
        return [appliedText(node()).join(" ")];
      case "bytes":
        return [`${node().status(GROUP).logBytes}`];
      default:
        return undefined;
    }
  }

  /** The nodes that are named, all if none is. */
  #named(command: ScriptCommand): readonly ModelNode[] {
    const { words } = command;
    return words.length === 0 ? this.#started.nodes : words.map((id) => this.#node(Number(id)));
  }

  #propose(node: ModelNode, count: number): readonly string[] {
    return Array.from({ length: count }, () => {
      this.#proposed++;
      const result = node.core.propose(GROUP, textBytes(`p${this.#proposed}`));
      return result.accepted ? `p${this.#proposed} is ${result.index}/${result.term}` : refusal(result)[0]!;
    });
  }

  /** What the first reminds the second of; it is a broken invariant if that has lost it. */
  #remind(witness: ModelNode, node: ModelNode): readonly string[] {
    const reminders = witness.core.remindersFor(node.id);
    node.core.mustKeep(reminders, witness.id);
    return reminders.map(({ replica = 0, term, index, indexTerm, isCommitted }) =>
      `${replica === 0 ? "" : `replica ${replica} `}term ${term} entry ${index}/${indexTerm}` +
      (isCommitted ? "" : " while in that term")
    );
  }

  #tick(who: string, count: number): readonly string[] {
    const nodes = who === "all" ? this.#started.nodes : [this.#node(Number(who))];
    for (let passed = 0; passed < count; passed++) for (const node of nodes) node.tick();
    return [];
  }

  #campaign(node: ModelNode): readonly string[] {
    let ticks = 0;
    for (; ticks < 100 && node.status(GROUP).role === "follower"; ticks++) node.tick();
    const { role, term } = node.status(GROUP);
    return [`${node.id} is ${role} in term ${term} after ${ticks} ticks`];
  }

  #finish(node: ModelNode): readonly string[] {
    const oldest = node.batches[0];
    if (oldest === undefined) {
      throw new Error(`The script finishes a turn that node ${node.id} has not begun`);
    }
    this.#started.persist(node);
    this.#started.finish(node);
    return [`${node.id}:`, ...describeFinish(oldest.batch)];
  }

  #matching(command: ScriptCommand): Message[] {
    const [a, b] = command.words;
    const link = [a, b].find((word) => word?.includes("->"));
    const kind = [a, b].find((word) => word !== undefined && !word.includes("->"));
    return this.#started.inTransit.filter((message) =>
      (link === undefined || link === `${message.from}->${message.to}`) &&
      (kind === undefined || kind === message.kind)
    );
  }

  #take(command: ScriptCommand): readonly Message[] {
    const { inTransit } = this.#started;
    const taken = this.#matching(command);
    for (const message of taken) inTransit.splice(inTransit.indexOf(message), 1);
    return taken;
  }

  get #nodes(): readonly number[] {
    if (this.#declared === undefined) throw new Error("A script starts with `cluster`");
    return this.#declared.words.map(Number);
  }

  get #voters(): readonly number[] {
    return this.#declared?.options.get("voters")?.split(",").map(Number) ?? this.#nodes;
  }

  /** The cluster; it is made by the first command that needs it. */
  get #started(): Cluster {
    return this.#cluster ??= new Cluster({
      nodes: this.#nodes,
      voters: this.#voters,
      seed: 1,
      config: this.#config(),
      hasReplicaIds: this.#declared?.options.has("replicas") ?? false,
      priority: () => this.#declared?.options.get("priority")?.split(",").map(Number) ?? [],
      restored: (node) => this.#states.get(node),
    });
  }

  #config(): Partial<MultiRaftConfig> {
    const options = [...this.#declared?.options ?? []].filter(([name]) =>
      !["priority", "replicas", "voters"].includes(name)
    );
    return Object.fromEntries(options.map(([name, value]) => {
      const field = CONFIG_OPTIONS.get(name);
      if (field === undefined) throw new Error(`The script names an unknown option: ${name}`);
      return [field, value === "yes" || Number(value)];
    }));
  }

  #parseState(command: ScriptCommand): Restored {
    const { options } = command;
    const terms = options.get("log")?.split(",").map(Number) ?? [];
    const [index = 0, snapshotTerm = 0] = options.get("snapshot")?.split("/").map(Number) ?? [];
    const logged = stateWithLog(this.#voters, { terms: [...Array(index).fill(snapshotTerm), ...terms] });
    const number = (name: string, fallback: number) => Number(options.get(name) ?? fallback);
    const { membership } = emptyState(this.#voters).snapshot;
    return {
      hardState: {
        term: number("term", logged.hardState.term),
        vote: number("vote", 0),
        commit: number("commit", index),
      },
      snapshot: { index, term: snapshotTerm, membership, membershipIndex: 0 },
      entries: logged.entries.slice(index),
      replicaId: number("replica", 0),
    };
  }

  #node(id: number | undefined): ModelNode {
    return this.#started.node(id ?? 0);
  }
}

function describeNode(node: ModelNode): string {
  return node.raft === undefined ? `${node.id}: down` : describeStatus(node.id, node.status(GROUP));
}

function describeMembers(node: ModelNode): string {
  if (node.raft === undefined) return `${node.id}: down`;
  const { isSealed, membership, role } = node.status(GROUP);
  return `${node.id}: ${describeMembership(membership)}${role === "leader" && !isSealed ? " unsealed" : ""}`;
}

function writeAgain(node: ModelNode, above: number): readonly string[] {
  const again = node.core.persistAgain(GROUP, above)!;
  node.disk.release(GROUP);
  node.disk.persist(again);
  return describePersist(again);
}

function switchState(node: ModelNode, source: ModelNode): void {
  const snapshot = snapshotOf(source, GROUP);
  const isLogKept = node.core.holdsEntry(GROUP, snapshot.meta) ?? false;
  node.disk.install(GROUP, { ...snapshot, isLogKept });
}

function install(node: ModelNode, source: ModelNode): readonly string[] {
  const { meta, state } = snapshotOf(source, GROUP);
  node.core.suspend(GROUP);
  const isAhead = meta.index > node.status(GROUP).applied;
  if (isAhead) {
    switchState(node, source);
    node.applied.set(GROUP, [...state]);
    node.memberships.set(GROUP, meta);
  }
  node.core.resume(GROUP, meta);
  return [`a snapshot of ${meta.index}/${meta.term}, membership of ${meta.membershipIndex}`];
}

function describeReading(core: MultiRaft): string {
  if (!core.groupsToRead().includes(GROUP)) return "no round is due";
  const { own, hasPassedOn } = core.waitingReads(GROUP);
  return `a round is due for ${[...own, ...hasPassedOn ? ["others"] : []].join(" ")}`;
}

/** What the core says to a request. */
interface Answered {
  readonly accepted: boolean;
  readonly refusal?: string;
  readonly leader?: number;
}

function refusal(
  result: Answered,
): string[] {
  return result.accepted ? [] : [`refused: ${result.refusal}, leader ${result.leader}`];
}

function unknown(command: ScriptCommand): never {
  throw new Error(`The script uses an unknown command: ${command.name}`);
}
