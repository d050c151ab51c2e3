/**
 * Thousands of good and bad requests of HTTP/1.1, each sent to the runtime's server and to that of the
 * project: what the two understood, and what became of the connection, must be the same, or differ in a way
 * that the table of classes knows. A class that never occurs fails, too, so that the table stays true.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { OwnPort } from "../support/own_port.ts";
import { PROOF_LIMIT_MS, proofSize } from "../support/proof_size.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { type Difference, DIFFERENCE_CLASSES } from "./differential_classes.ts";
import {
  converse,
  type ServerAnswer,
  type ServerOutcome,
  TELLING_ROUTER,
  tellingFetch,
} from "./differential_exchange.ts";
import { type Conversation, drawConversation } from "./differential_request.ts";

const test = suite("differential");
const ROUNDS = proofSize("differential");
/** A failure is looked at again with its seed and one conversation. */
const FIRST_SEED = Number(Deno.env.get("PRKDB_PROOF_SEED") ?? 1);
/** Most of their time they wait for what does not come. */
const PARALLEL = 32;
/** A difference must show again when there is so many times the patience: a busy machine is none. */
const PATIENCE = [1, 5, 20];

/** Differences of no class that a failure prints. */
const SHOWN = 20;

/** Two servers side by side. */
interface Servers {
  readonly theirs: number;
  readonly ours: number;
}

test("both servers do the same with every request, or differ for a reason that is known", async () => {
  await using theirs = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, tellingFetch);
  await using ours = new OwnPort(TELLING_ROUTER);
  const servers = { theirs: theirs.addr.port, ours: Number(ours.address.split(":")[1]) };
  const counts = new Map(DIFFERENCE_CLASSES.map(({ name }) => [name, 0]));
  const unknown: string[] = [];
  let alike = 0;
  let seed = FIRST_SEED;
  const compareAll = async () => {
    while (seed < FIRST_SEED + ROUNDS) {
      const current = seed++;
      const difference = await compare(drawConversation(new SeededRandom(current)), servers);
      const name = difference === undefined ? undefined : classOf(difference);
      if (difference === undefined) alike++;
      else if (name === undefined) unknown.push(described(difference, current));
      else counts.set(name, counts.get(name)! + 1);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, compareAll));
  console.log(`${ROUNDS} conversations, ${alike} alike`);
  for (const [name, count] of counts) console.log(`${String(count).padStart(6)} ${name}`);
  if (unknown.length > 0) {
    throw new Error(`${unknown.length} differences are of no class:\n${unknown.slice(0, SHOWN).join("\n")}`);
  }
  if (FIRST_SEED !== 1) return;
  for (const [name, count] of counts) assert.ok(count > 0, `the class "${name}" does not occur`);
  assert.ok(alike > ROUNDS / 2, `most are alike: ${alike}`);
}, { limitMs: PROOF_LIMIT_MS });

test.run();

async function compare(
  conversation: Conversation,
  { theirs, ours }: Servers,
): Promise<Difference | undefined> {
  let difference: Difference | undefined;
  for (const patience of PATIENCE) {
    const outcomes = await Promise.all([
      converse(conversation, theirs, patience),
      converse(conversation, ours, patience),
    ]);
    difference = differenceOf(conversation, withoutPort(outcomes[0], theirs), outcomes[1]);
    if (difference === undefined || (patience > 1 && classOf(difference) !== undefined)) return difference;
  }
  return difference;
}

/** Without a `Host`, theirs says its port and ours does not. */
function withoutPort(outcome: ServerOutcome, port: number): ServerOutcome {
  const answers = outcome.answers.map((each) => ({
    ...each,
    said: each.said.replace(`//localhost:${port}/`, "//localhost/"),
  }));
  return { ...outcome, answers };
}

function differenceOf(
  conversation: Conversation,
  theirs: ServerOutcome,
  ours: ServerOutcome,
): Difference | undefined {
  const length = Math.max(theirs.answers.length, ours.answers.length);
  for (let at = 0; at < length; at++) {
    const theirAnswer = theirs.answers[at];
    const ourAnswer = ours.answers[at];
    if (!isAlike(theirAnswer, ourAnswer)) return { conversation, theirs, ours, theirAnswer, ourAnswer };
  }
  const isSameEnd = theirs.end === ours.end && theirs.isBroken === ours.isBroken &&
    (conversation.bodyAt === undefined || theirs.isContinued === ours.isContinued);
  if (isSameEnd) return undefined;
  return { conversation, theirs, ours, theirAnswer: undefined, ourAnswer: undefined };
}

/** How a refusal is worded is for people. */
function isAlike(one: ServerAnswer | undefined, other: ServerAnswer | undefined): boolean {
  return one?.status === other?.status && (one?.status !== 200 || one.said === other?.said);
}

function classOf(difference: Difference): string | undefined {
  return DIFFERENCE_CLASSES.find(({ holds }) => holds(difference))?.name;
}

function described({ conversation, theirs, ours }: Difference, seed: number): string {
  return [
    `seed ${seed}: ${JSON.stringify(conversation)}`,
    `  theirs: ${JSON.stringify(theirs)}`,
    `  ours:   ${JSON.stringify(ours)}`,
  ].join("\n");
}
