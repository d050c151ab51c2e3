/**
 * Crowds of connections that say nothing, or begin and say nothing more: others are served all the while, on
 * connections that they have and on new ones. As many as the bound of connections, and as many as the node
 * has descriptors.
 *
 * @module
 */

import { assert, suite } from "../harness.ts";
import { freePort } from "../support/cluster/free_port.ts";
import { ProcessNode } from "../support/cluster/process_node.ts";
import {
  ascii,
  closeAll,
  descriptorLimit,
  exchange,
  openCrowd,
  tryWrite,
} from "../support/cluster/raw_socket.ts";
import { WellBehaved } from "../support/load/well_behaved.ts";
import { PATIENCE_MS, until } from "../support/patience.ts";
import { PROOF_LIMIT_MS, proofSize } from "../support/proof_size.ts";

const test = suite("silent connections");
/** What this program, and the node, have open beside the crowd. */
const OTHER_DESCRIPTORS = 500;
/** So many more than there is room for. */
const BEYOND = 100;
/** So long that none of the crowd is closed for its silence. */
const FLAGS = ["--head-timeout-ms=3600000", "--idle-timeout-ms=3600000"];
const NEWCOMERS = 20;
const CALLS_MIN = 50;
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/** What is said before the silence, by turns: nothing, half a line, part of a preface, settings. */
const BEGINNINGS = ["", "POST /prkdb.v1.Kv", PREFACE.slice(0, 9), `${PREFACE}\0\0\0\x04\0\0\0\0\0`];

test("as many as the bound, and more: others are served", async () => {
  const bound = Math.min(proofSize("silent"), descriptorLimit() - OTHER_DESCRIPTORS - BEYOND);
  await withNode({ flags: [...FLAGS, `--max-connections=${bound}`] }, async (node, port) => {
    const crowd = await crowdOf(port, bound + BEYOND);
    await until(() => node.openDescriptors >= bound, () => `all are there: ${node.openDescriptors} are`);
    console.log(`${crowd.length} silent connections: ${mebibytes(node.residentBytes)} MiB resident`);
    return crowd;
  });
}, { limitMs: PROOF_LIMIT_MS });

test("as many as there are descriptors, and more: others are served", async () => {
  const descriptorsMax = Math.min(proofSize("descriptors"), descriptorLimit() - OTHER_DESCRIPTORS - BEYOND);
  const flags = [...FLAGS, "--max-connections=1000000"];
  await withNode({ flags, descriptorsMax }, async (node, port) => {
    const crowd = await crowdOf(port, descriptorsMax + BEYOND);
    // Some are held in reserve for the log.
    await until(
      () => node.openDescriptors >= descriptorsMax - BEYOND,
      () => `none is left: ${node.openDescriptors} of ${descriptorsMax} are used`,
    );
    console.log(
      `${crowd.length} silent connections, ${node.openDescriptors} of ${descriptorsMax} descriptors used`,
    );
    return crowd;
  });
}, { limitMs: PROOF_LIMIT_MS });

test.run();

/** What a node is started with. */
interface NodeStart {
  readonly flags: readonly string[];
  readonly descriptorsMax?: number;
}

/** Starts a node, lets `gather` bring a crowd, and asserts that others are served while it is there. */
async function withNode(
  { flags, descriptorsMax }: NodeStart,
  gather: (node: ProcessNode, port: number) => Promise<Deno.TcpConn[]>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "prkdb-silent-" });
  const port = freePort();
  const own = [`--grpc-port=${port}`, `--metrics-port=${freePort()}`, `--data-dir=${folder}/node`];
  const args = ["--node-id=1", ...own, ...flags];
  const node = ProcessNode.start({ args, ...(descriptorsMax === undefined ? {} : { descriptorsMax }) });
  try {
    await until(() => node.hasStarted || !node.isRunning, "the node serves");
    const client = WellBehaved.start(`http://127.0.0.1:${port}`);
    await client.makesFurther(CALLS_MIN);
    const crowd = await gather(node, port);
    await client.makesFurther(CALLS_MIN);
    for (let newcomer = 0; newcomer < NEWCOMERS; newcomer++) {
      assert.match(await exchange(port, { bytes: GET, quietMs: PATIENCE_MS }), /^HTTP\/1\.1 200/);
    }
    await client.makesFurther(CALLS_MIN);
    const service = await client.stop();
    closeAll(crowd);
    assert.equal(service.failures.slice(0, 3), []);
    console.log(`served meanwhile: ${JSON.stringify(service)}`);
    node.signal("SIGTERM");
    assert.is((await node.ended).code, 0, node.standardError);
  } finally {
    node.signal("SIGKILL");
    await node.ended;
    await Deno.remove(folder, { recursive: true });
  }
}

async function crowdOf(port: number, count: number): Promise<Deno.TcpConn[]> {
  const crowd = await openCrowd(port, count);
  await Promise.all(crowd.map((each, at) => tryWrite(each, ascii(BEGINNINGS[at % BEGINNINGS.length]!))));
  return crowd;
}

const GET = ascii(
  "POST /prkdb.v1.KvService/Get HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n" +
    'Connection: close\r\nContent-Length: 14\r\n\r\n{"key":"aGV5"}',
);

function mebibytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
