/**
 * Pages in a real browser against a real node: a page whose origin the node allows does everything that a
 * program does, by the project's client, by connect-web and by `fetch`, and can read every refusal, those of
 * HTTP itself included; a page of another origin gets no answer at all and writes nothing.
 *
 * Where there is no Chromium this says so and is left out, unless `PRKDB_TEST_BROWSER=required`, which
 * `.ci/run` sets where it has been able to install one.
 *
 * @module
 */

import type { Page } from "playwright-core";
import { assert, noteSkipped, suite } from "../harness.ts";
import { Chromium, findChromium } from "../support/browser/chromium.ts";
import type { FetchReport, PageProgram, PageRequest } from "../support/browser/page_program.ts";
import { freePort } from "../support/cluster/free_port.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { ProcessNode } from "../support/cluster/process_node.ts";
import { eventually } from "../support/patience.ts";

const test = suite("browser");
const PROGRAM = new URL("../support/browser/page_program.ts", import.meta.url).pathname;
/** Leads to this machine, and is no name of the node's. */
const FOREIGN_NAME = "rebound.test";
const PUT = "prkdb.v1.KvService/Put";
const GET = "prkdb.v1.KvService/Get";

const chromium = await findChromium();
const isRequired = Deno.env.get("PRKDB_TEST_BROWSER") === "required";

/** The page program as one script for browsers. */
async function bundle(): Promise<Uint8Array<ArrayBuffer>> {
  const folder = await Deno.makeTempDir({ prefix: "prkdb-page-" });
  try {
    const output = `${folder}/page.js`;
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["bundle", "--no-check", "--quiet", "--platform", "browser", "--output", output, PROGRAM],
    }).output();
    assert.is(code, 0, new TextDecoder().decode(stderr));
    return await Deno.readFile(output);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A web server with one page: an origin. */
class PageServer {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(script: Uint8Array<ArrayBuffer>) {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
      return new URL(request.url).pathname === "/page.js"
        ? new Response(script, { headers: { "content-type": "text/javascript" } })
        : new Response('<!doctype html><script type="module" src="/page.js"></script>', {
          headers: { "content-type": "text/html" },
        });
    });
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** A node that serves, one that waits to be taken in by nobody, and the pages. */
class Scene {
  readonly node: string;
  readonly #cluster: ProcessCluster;
  readonly starting: string;
  readonly #starting: ProcessNode;
  readonly #folder: string;

  private constructor(cluster: ProcessCluster, { starting, port, folder }: {
    readonly starting: ProcessNode;
    readonly port: number;
    readonly folder: string;
  }) {
    this.#cluster = cluster;
    this.node = cluster.address(1);
    this.#starting = starting;
    this.starting = `http://127.0.0.1:${port}`;
    this.#folder = folder;
  }

  static async set(origin: string): Promise<Scene> {
    const flags = [`--cors-origin=${origin}`];
    const cluster = await ProcessCluster.start({ nodes: 1, flags });
    const folder = await Deno.makeTempDir({ prefix: "prkdb-starting-" });
    const port = freePort();
    const starting = ProcessNode.start({
      args: [
        "--node-id=2",
        `--grpc-port=${port}`,
        `--metrics-port=${freePort()}`,
        `--data-dir=${folder}`,
        `--join=http://127.0.0.1:${freePort()}`,
        ...flags,
      ],
    });
    const scene = new Scene(cluster, { starting, port, folder });
    await eventually(async () => assert.is((await fetch(scene.starting)).status, 503));
    return scene;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#starting.signal("SIGKILL");
    await this.#starting.ended;
    await Deno.remove(this.#folder, { recursive: true });
    await this.#cluster.close();
  }
}

/** Has the page's script do one thing. */
async function ask<Name extends keyof PageProgram>(
  page: Page,
  name: Name,
  argument: Parameters<PageProgram[Name]>[0],
): Promise<Awaited<ReturnType<PageProgram[Name]>>> {
  const call = `program.${name}(${JSON.stringify(argument)})`;
  return await page.evaluate<Awaited<ReturnType<PageProgram[Name]>>>(call);
}

/** What a page asks that is refused before any method is reached, and what it must read. */
function refusals({ node, starting }: Scene): readonly (readonly [PageRequest, number, RegExp])[] {
  const misnamed = node.replace("127.0.0.1", FOREIGN_NAME);
  const json = { type: "application/json", body: "{}" };
  return [
    [{ url: `${node}/prkdb.v1.KvService/Nothing`, ...json }, 404, /has no such method/],
    [{ url: `${node}/${PUT}` }, 405, /the method must be one of POST/],
    [{ url: `${node}/${PUT}`, type: "text/plain", body: "x" }, 415, /Cannot read content type text\/plain/],
    [{ url: `${node}/${GET}?${"x".repeat(70_000)}` }, 431, /its head may have 65536 bytes/],
    [{ url: `${node}/${PUT}`, type: "application/grpc", body: "x" }, 505, /use HTTP\/2/],
    [{ url: `${misnamed}/${GET}`, ...json }, 421, /--allowed-hosts rebound\.test/],
    [{ url: `${misnamed}/${GET}` }, 421, /--allowed-hosts rebound\.test/],
    [{ url: `${starting}/${PUT}`, ...json }, 503, /the node is starting/],
    [{ url: `${starting}/${GET}` }, 503, /the node is starting/],
  ];
}

async function allowedPageDoesAll(page: Page, scene: Scene): Promise<void> {
  assert.equal(await ask(page, "tryClient", scene.node), {
    text: "first",
    many: ["7", undefined, "99"],
    deleted: true,
    gone: true,
    conflict: [true, true],
    changes: 0,
  });
  const generated = Object.entries(await ask(page, "tryGenerated", scene.node));
  assert.is(generated.length, 6);
  for (const [name, report] of generated) {
    const { invalid: [code, message], ...rest } = report;
    assert.equal(rest, {
      value: "from a page",
      many: ["from a page", undefined],
      existed: true,
      conflict: ["FailedPrecondition", "PRECONDITION", true],
      ended: true,
    }, name);
    assert.is(code, "InvalidArgument", name);
    assert.match(message, /^Cannot accept key: /, name);
  }
}

async function allowedPageReadsRefusals(page: Page, scene: Scene): Promise<void> {
  for (const [request, status, text] of refusals(scene)) {
    const answer: FetchReport = await ask(page, "tryFetch", request);
    assert.ok(answer !== "no access", `${status} ${request.url.slice(0, 100)}`);
    assert.is(answer[0], status, answer[1]);
    assert.match(answer[1], text);
  }
  const [code, message] = await ask(page, "failClient", scene.starting);
  assert.is(code, "unavailable");
  assert.match(message, /the node is starting/);
}

async function foreignPageGetsNothing(page: Page, scene: Scene): Promise<void> {
  const written = { key: btoa("foreign"), value: btoa("x") };
  const read = encodeURIComponent(JSON.stringify({ key: btoa("page:7") }));
  const requests: readonly PageRequest[] = [
    ...refusals(scene).map(([request]) => request),
    { url: `${scene.node}/${PUT}`, type: "application/json", body: JSON.stringify(written) },
    { url: `${scene.node}/${GET}?connect=v1&encoding=json&message=${read}` },
  ];
  for (const request of requests) {
    assert.is(await ask(page, "tryFetch", request), "no access", request.url.slice(0, 100));
  }
  assert.is((await ask(page, "failClient", scene.node))[0], "unavailable");
}

test("a page of an allowed origin does all and reads every refusal; another one gets nothing", async () => {
  if (chromium === undefined) {
    assert.not(isRequired, "PRKDB_TEST_BROWSER=required, and there is no Chromium on PATH");
    return noteSkipped("no Chromium on PATH: pages in a browser have not been tried");
  }

  const script = await bundle();
  await using allowed = new PageServer(script);
  await using foreign = new PageServer(script);
  await using scene = await Scene.set(allowed.origin);
  await using browser = await Chromium.start(chromium, [FOREIGN_NAME]);
  const page = await browser.open(allowed.origin);
  await allowedPageDoesAll(page, scene);
  await allowedPageReadsRefusals(page, scene);
  await foreignPageGetsNothing(await browser.open(foreign.origin), scene);
  // Nothing that the other page has sent has taken effect.
  const missing = await ask(page, "tryFetch", {
    url: `${scene.node}/${GET}`,
    type: "application/json",
    body: JSON.stringify({ key: btoa("foreign") }),
  });
  assert.equal(missing, [200, "{}"]);
});

test.run();
