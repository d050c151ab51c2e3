/**
 * Sockets that are killed anywhere in a request: nothing is left of them, and others are served as before.
 *
 * @module
 */

import { startHttp1 } from "../../server/http/h1/mod.ts";
import { TcpListener, webHandler } from "../../server/http/mod.ts";
import { assert, suite } from "../harness.ts";
import { until } from "../support/patience.ts";
import { PROOF_LIMIT_MS, proofSize } from "../support/proof_size.ts";
import { SeededRandom } from "../support/seeded_random.ts";
import { KnownContext, MIRROR_HANDLER } from "./h1_fixture.ts";
import { RawClient } from "./raw_client.ts";

const test = suite("killed sockets");
const ROUNDS = proofSize("kills");

test("a connection that is killed at any byte leaves nothing behind", async () => {
  const random = new SeededRandom(1_993);
  const context = new KnownContext({ bodyBytes: 10_000_000, answerBytes: 10_000_000 });
  const echo = webHandler((request) => new Response(request.body));
  const listener = new TcpListener({ hostname: "127.0.0.1", port: 0, context, http1: startHttp1 });
  listener.router = { route: ({ target }) => target === "/web" ? echo : MIRROR_HANDLER };
  const kill = async () => {
    const path = random.pick(["/web", "/whole"]);
    const body = "x".repeat(random.pick([0, 10, 5_000, 200_000]));
    const text = random.chance(50)
      ? `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`
      : `POST ${path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n` +
        `${body === "" ? "" : `${body.length.toString(16)}\r\n${body}\r\n`}0\r\n\r\n`;
    const all = text.repeat(1 + random.below(3));
    const cut = random.below(all.length + 1);
    const isRead = random.chance(50);
    const client = await RawClient.open(listener.address);
    await client.send(all.slice(0, cut)).catch(() => {});
    if (isRead && cut === all.length) await client.readSome();
    client.close();
  };
  for (let round = 0; round < ROUNDS; round += 8) await Promise.all(Array.from({ length: 8 }, kill));
  await until(() => context.connections === 0, () => `all have ended: ${context.connections} have not`);
  await until(() => context.bodies.usedBytes + context.answers.usedBytes === 0, "all memory is given back");
  const response = await fetch(`http://${listener.address}/web`, { method: "POST", body: "still here" });
  assert.is(await response.text(), "still here");
  await listener.close();
}, { limitMs: PROOF_LIMIT_MS });

test("a small request that is killed at each of its bytes leaves nothing behind", async () => {
  const context = new KnownContext();
  const listener = new TcpListener({ hostname: "127.0.0.1", port: 0, context, http1: startHttp1 });
  listener.router = { route: () => MIRROR_HANDLER };
  const text = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  for (let cut = 0; cut <= text.length; cut++) {
    const client = await RawClient.open(listener.address);
    await client.send(text.slice(0, cut));
    client.close();
  }
  await until(() => context.connections === 0, () => `all have ended: ${context.connections} have not`);
  assert.is(context.bodies.usedBytes, 0);
  await listener.close();
});

test.run();
