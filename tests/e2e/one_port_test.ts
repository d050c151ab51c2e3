/**
 * Programs of others on one and the same port of a real node: curl over HTTP/1.1 and HTTP/2, the gRPC library
 * of Node.js with what reflection tells it, and connect-es by Connect, gRPC-Web and gRPC. What each of them
 * writes all others read, and each is told a mistake in the words of its protocol.
 *
 * `tests/conformance/connect_node_test.ts` tries connect-es under Node.js itself in every form it has.
 *
 * @module
 */

import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import type { ServiceError } from "@grpc/grpc-js";
import { ErrorInfoSchema, Health, KvService } from "../../proto/mod.ts";
import { assert, assertRejects, noteSkipped, suite } from "../harness.ts";
import { ProcessCluster } from "../support/cluster/process_cluster.ts";
import { Stranger } from "../support/grpc_stranger.ts";

const test = suite("one port");
const KV = "prkdb.v1.KvService";
const isCurlRequired = Deno.env.get("PRKDB_TEST_CURL") === "required";

/** Somebody who can call the node. */
interface Caller {
  readonly name: string;
  put(key: string, value: string): Promise<void>;
  get(key: string): Promise<string>;
  /** What a write is refused with whose condition does not hold: the code, in lower case. */
  refusal(key: string): Promise<string>;
  /** Whether the node says that it serves. */
  readonly isServing?: () => Promise<boolean>;
  close(): void;
}

/** curl, if there is one, by one version of HTTP. */
class Curl implements Caller {
  readonly name: string;
  readonly #address: string;
  readonly #flag: string;
  readonly #version: string;

  constructor(address: string, { flag, version }: { readonly flag: string; readonly version: string }) {
    this.name = `curl ${flag}`;
    this.#address = address;
    this.#flag = flag;
    this.#version = version;
  }

  /** What `curl --version` says; `undefined` where there is none. */
  static async about(): Promise<string | undefined> {
    try {
      const { success, stdout } = await new Deno.Command("curl", { args: ["--version"] }).output();
      return success ? new TextDecoder().decode(stdout) : undefined;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  async put(key: string, value: string): Promise<void> {
    const { version } = await this.#call("Put", { key: btoa(key), value: btoa(value) });
    assert.match(String(version), /^[1-9]\d*$/, this.name);
  }

  async get(key: string): Promise<string> {
    return atob(String((await this.#call("Get", { key: btoa(key) }))["value"]));
  }

  async refusal(key: string): Promise<string> {
    const answer = await this.#call("Put", { key: btoa(key), precondition: { absent: true } });
    const [detail] = answer["details"] as readonly { readonly debug: { readonly reason: string } }[];
    assert.is(detail?.debug.reason, "PRECONDITION", this.name);
    return String(answer["code"]);
  }

  close(): void {}

  async #call(method: string, message: unknown): Promise<Record<string, unknown>> {
    const { code, stdout, stderr } = await new Deno.Command("curl", {
      args: [
        "--silent",
        "--show-error",
        "--noproxy",
        "*",
        this.#flag,
        "--write-out",
        "\n%{http_version}",
        "--header",
        "content-type: application/json",
        "--data",
        JSON.stringify(message),
        `${this.#address}/${KV}/${method}`,
      ],
    }).output();
    assert.is(code, 0, `${this.name}: ${new TextDecoder().decode(stderr)}`);
    const [answer, version] = new TextDecoder().decode(stdout).split("\n");
    assert.is(version, this.#version, this.name);
    return JSON.parse(answer!);
  }
}

/** connect-es by one of its transports; what it holds open is ended by `close`. */
function connectCaller(name: string, transport: Transport, close = () => {}): Caller {
  const kv = createClient(KvService, transport);
  return {
    name,
    put: async (key, value) => void await kv.put({ key: bytes(key), value: bytes(value) }),
    get: async (key) => new TextDecoder().decode((await kv.get({ key: bytes(key) })).value),
    refusal: async (key) => {
      const precondition = { expected: { case: "absent", value: true } } as const;
      const error = ConnectError.from(await assertRejects(() => kv.put({ key: bytes(key), precondition })));
      assert.is(error.findDetails(ErrorInfoSchema)[0]?.reason, "PRECONDITION", name);
      return snakeCase(Code[error.code]);
    },
    close,
  };
}

/** The gRPC library of Node.js. */
async function grpcCaller(address: string): Promise<Caller> {
  const stranger = await Stranger.meet(address.replace("http://", ""));
  const call = (method: string, message: Record<string, unknown>) =>
    stranger.call(`${KV}/${method}`, message);
  return {
    name: "grpc-js",
    put: async (key, value) => void await call("Put", { key: bytes(key), value: bytes(value) }),
    get: async (key) => String((await call("Get", { key: bytes(key) }))["value"]),
    refusal: async (key) => {
      const refused = call("Put", { key: bytes(key), precondition: { absent: true } });
      const error = await assertRejects(() => refused) as unknown as ServiceError;
      assert.match(String(error.metadata.get("grpc-status-details-bin")[0]), /PRECONDITION/);
      return snakeCase(Code[error.code]);
    },
    isServing: async () => {
      const answer = await stranger.call(`${Health.typeName}/Check`, { service: KV });
      return answer["status"] === "SERVING";
    },
    close: () => stranger.client.close(),
  };
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** `FailedPrecondition` as the protocols write it. */
function snakeCase(name: string | undefined): string {
  return (name ?? "none").replaceAll(/(?<!^)[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
}

async function callersOf(address: string): Promise<readonly Caller[]> {
  const curl = await Curl.about();
  assert.not(isCurlRequired && curl === undefined, "PRKDB_TEST_CURL=required, and there is no curl on PATH");
  const curls = curl === undefined ? [] : [new Curl(address, { flag: "--http1.1", version: "1.1" })];
  if (curl?.includes("HTTP2") === true) {
    curls.push(new Curl(address, { flag: "--http2-prior-knowledge", version: "2" }));
  }
  assert.not(isCurlRequired && curls.length < 2, "PRKDB_TEST_CURL=required, and curl has no HTTP/2");
  if (curls.length < 2) noteSkipped("no curl with HTTP/2 on PATH: it has not been tried");
  const http1 = { baseUrl: address, httpVersion: "1.1" } as const;
  const http2 = () => {
    const sessionManager = new Http2SessionManager(address);
    return { baseUrl: address, httpVersion: "2", sessionManager } as const;
  };
  const [connect2, web2, grpc] = [http2(), http2(), http2()];
  return [
    ...curls,
    await grpcCaller(address),
    connectCaller("Connect, HTTP/1.1", createConnectTransport(http1)),
    connectCaller("Connect, HTTP/2", createConnectTransport(connect2), () => connect2.sessionManager.abort()),
    connectCaller("gRPC-Web, HTTP/1.1", createGrpcWebTransport(http1)),
    connectCaller("gRPC-Web, HTTP/2", createGrpcWebTransport(web2), () => web2.sessionManager.abort()),
    connectCaller("gRPC", createGrpcTransport(grpc), () => grpc.sessionManager.abort()),
  ];
}

test("what one program writes all others read", async () => {
  await using cluster = await ProcessCluster.start({ nodes: 1 });
  const callers = await callersOf(cluster.address(1));
  assert.ok(callers.length >= 6);
  try {
    for (const caller of callers) await caller.put(caller.name, `by ${caller.name}`);
    for (const reader of callers) {
      for (const { name } of callers) {
        assert.is(await reader.get(name), `by ${name}`, `${name}, read by ${reader.name}`);
      }
      assert.is(await reader.refusal(reader.name), "failed_precondition", reader.name);
    }
    const serving = await Promise.all(callers.map(({ isServing }) => isServing?.()));
    assert.equal(serving.filter((each) => each !== undefined), [true]);
  } finally {
    for (const caller of callers) caller.close();
  }
});

test.run();
