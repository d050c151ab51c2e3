/**
 * Who makes room for whom at the bound of connections.
 *
 * @module
 */

import { assert, suite } from "../../tests/harness.ts";
import { ConnectionSet, type EndableConnection } from "./connection_set.ts";
import { HTTP_LIMITS } from "./limits.ts";

const test = suite("connection set");

/** A connection that is what a test says it is. */
class SaidConnection implements EndableConnection {
  readonly #ended = Promise.withResolvers<void>();
  isTrusted = false;
  isEnded = false;

  constructor(readonly hasCompletedRequest: boolean, public idleSinceMs: number | undefined) {}

  serve(): Promise<void> {
    return this.#ended.promise;
  }

  drain(): void {
    this.end();
  }

  end(): void {
    this.isEnded = true;
    this.#ended.resolve();
  }
}

function bounded(connectionsMax: number): { readonly set: ConnectionSet; readonly reached: string[] } {
  const reached: string[] = [];
  const room = { take: () => true, release: () => {} };
  const meters = {
    observeConnections: () => {},
    observeLimit: (limit: string) => void reached.push(limit),
  };
  const limits = { ...HTTP_LIMITS, connectionsMax };
  return { set: new ConnectionSet({ limits, bodies: room, answers: room, meters }), reached };
}

const newcomer = () => new SaidConnection(false, 1_000);
const firstRequest = () => new SaidConnection(false, undefined);
const idle = (sinceMs: number) => new SaidConnection(true, sinceMs);
const busy = () => new SaidConnection(true, undefined);

test("first those that never completed a request, then the longest idle, then open first requests", () => {
  const first = [firstRequest(), newcomer(), idle(Infinity), idle(30), busy(), firstRequest(), idle(20)];
  const [oldRequest, silent, justIdle, idle30, underWay, youngRequest, idle20] = first;
  const trusted = [newcomer(), idle(10), firstRequest()];
  for (const each of trusted) each.isTrusted = true;
  const { set, reached } = bounded(8);
  const second = newcomer();
  for (const each of [...trusted, ...first, second]) {
    assert.ok(set.makeRoom());
    set.add(each);
  }
  assert.equal(reached, [], "whoever is trusted does not count");
  for (const next of [silent, second, idle20, idle30, justIdle, oldRequest, youngRequest]) {
    assert.ok(set.makeRoom());
    assert.ok(next!.isEnded);
    set.add(busy());
  }
  // Everybody is at work: of eight places, the two newest pass on, and the others are kept.
  for (let count = 0; count < 10; count++) {
    assert.ok(set.makeRoom());
    set.add(busy());
  }
  assert.not(underWay!.isEnded);
  assert.not(trusted.some(({ isEnded }) => isEnded));
  assert.is(reached.length, 17);
});

test("below the bound nobody goes, unless it is asked for", () => {
  const { set, reached } = bounded(3);
  const all = [idle(5), idle(4)];
  for (const each of all) set.add(each);
  assert.ok(set.makeRoom());
  assert.equal([...all.map(({ isEnded }) => isEnded), reached.length], [false, false, 0]);
  assert.ok(set.evictOne());
  assert.equal(all.map(({ isEnded }) => isEnded), [false, true]);
  assert.ok(set.evictOne());
  assert.not(set.evictOne());
});

test("with many connections, newcomers that say nothing still go before those that were useful", () => {
  const { set } = bounded(1_000);
  const useful = Array.from({ length: 1_000 }, (_, at) => idle(at));
  for (const each of useful) set.add(each);
  for (let count = 0; count < 500; count++) {
    assert.ok(set.makeRoom());
    set.add(newcomer());
  }
  assert.is(useful.filter(({ isEnded }) => isEnded).length, 1);
  assert.ok(useful[0]!.isEnded);
  for (const each of useful) each.idleSinceMs = undefined;
  for (let count = 0; count < 100; count++) {
    assert.ok(set.makeRoom());
    set.add(busy());
  }
  // The places of the newest pass on, whoever had them before.
  assert.is(useful.filter(({ isEnded }) => isEnded).length, 64);
});

test.run();
