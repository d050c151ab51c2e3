/**
 * Who is compared with whom: how each system is asked over gRPC, by the very same client, and prkdb over the
 * Connect protocol and etcd over its JSON gateway beside it.
 *
 * @module
 */

import { joinChunks } from "../server/http/mod.ts";
import { etcdGet, etcdPut } from "./peers/etcd.ts";
import { GrpcConnection, prepareCall, type PreparedCall } from "./grpc_connection.ts";
import { type PlainTarget, prkdbTarget } from "./plain_load.ts";
import { postRequest, RawConnection } from "./raw_http.ts";
import { randomKey } from "./workload.ts";

/** Streams that share a connection; clients of gRPC share theirs likewise. */
const STREAMS_PER_CONNECTION = 8;
/** Keys that gets ask for. */
const FILLED_KEYS = Array.from({ length: 20_000 }, (_, at) => `key-${String(at * 49).padStart(12, "0")}`);
/** Different calls a node gets, again and again in random order. */
const CALLS_PREPARED = 10_000;
/** Bytes of the prepared calls of one node: fewer calls if they are large. */
const PREPARED_BYTES_MAX = 8 * 1024 * 1024;

const KEY_FIELD = 0x0a;
const VALUE_FIELD = 0x12;
const encoder = new TextEncoder();

/** What is asked. */
export interface Work {
  readonly kind: "put" | "get" | "batch";
  readonly inFlight: number;
  readonly value: Uint8Array;
  /** Keys of one call, 1 but for batches. */
  readonly keysPerCall: number;
}

/** One system in one way of asking it. */
export interface Contender {
  readonly name: string;
  /** Puts every key that gets ask for, so that both systems have the same to find. */
  fill(value: Uint8Array): Promise<void>;
  /** Opens the connections and makes the calls ready; `call` is then one call by worker `worker`. */
  open(work: Work): Promise<OpenContender>;
  /** What its servers have used so far, in seconds of processor. */
  processorSeconds(): number;
}

/** Ready to be asked. */
export interface OpenContender {
  call(worker: number): Promise<unknown>;
  close(): void;
}

/** Where a system is. */
export interface Place {
  /** `host:port` each. */
  readonly addresses: readonly string[];
  readonly processorSeconds: () => number;
  /** Which of the addresses leads the key; if it is given, calls go there, else to any. */
  readonly leaderOf?: (key: string) => string;
}

/** How a system names what is asked of it. */
interface GrpcDialect {
  readonly paths: { readonly [Kind in Work["kind"]]: string };
  readonly put: (key: string, value: Uint8Array) => Uint8Array;
  readonly get: (key: string) => Uint8Array;
  readonly batch: (puts: readonly Uint8Array[]) => Uint8Array;
}

function putMessage(key: string, value: Uint8Array): Uint8Array {
  return concat(field(KEY_FIELD, encoder.encode(key)), field(VALUE_FIELD, value));
}

function getMessage(key: string): Uint8Array {
  return field(KEY_FIELD, encoder.encode(key));
}

/** `prkdb.v1.KvService`. */
const PRKDB: GrpcDialect = {
  paths: {
    put: "/prkdb.v1.KvService/Put",
    get: "/prkdb.v1.KvService/Get",
    batch: "/prkdb.v1.KvService/WriteBatch",
  },
  put: putMessage,
  get: getMessage,
  // A mutation whose field 1 is a put.
  batch: (puts) => concat(...puts.map((put) => field(0x0a, field(0x0a, put)))),
};

/** `etcdserverpb.KV`; a batch is a transaction without conditions. */
const ETCD: GrpcDialect = {
  paths: { put: "/etcdserverpb.KV/Put", get: "/etcdserverpb.KV/Range", batch: "/etcdserverpb.KV/Txn" },
  put: putMessage,
  get: getMessage,
  // The field `success`, whose operations have a put in field 2.
  batch: (puts) => concat(...puts.map((put) => field(0x12, field(0x12, put)))),
};

/** One put or get of prkdb over gRPC. @param value of a put */
export function prepareSingle(kind: "put" | "get", key: string, value: Uint8Array): PreparedCall {
  const message = kind === "put" ? PRKDB.put(key, value) : PRKDB.get(key);
  return prepareCall(PRKDB.paths[kind], "127.0.0.1", message);
}

/** prkdb over gRPC. */
export function prkdbGrpc(name: string, place: Place): Contender {
  return grpcContender(name, PRKDB, place);
}

/** etcd over gRPC. */
export function etcdGrpc(name: string, place: Place): Contender {
  return grpcContender(name, ETCD, place);
}

/** prkdb over Connect's binary form and HTTP/1.1, a connection a call in flight. */
export function prkdbConnect(name: string, place: Place): Contender {
  return plainContender(name, prkdbTarget(place.addresses), place);
}

/** etcd through its JSON gateway, likewise. */
export function etcdJson(name: string, place: Place): Contender {
  const target = { contentType: "application/json", put: etcdPut, get: etcdGet };
  return plainContender(name, { ...target, addresses: place.addresses }, place);
}

function grpcContender(name: string, dialect: GrpcDialect, place: Place): Contender {
  const { addresses, processorSeconds } = place;
  let turns = 0;
  return {
    name,
    processorSeconds,
    fill: async (value) => {
      const connection = await GrpcConnection.open(addresses[0]!);
      const calls = FILLED_KEYS.map((key) =>
        prepareCall(dialect.paths.put, addresses[0]!, dialect.put(key, value))
      );
      while (calls.length > 0) await Promise.all(calls.splice(-256).map((call) => connection.call(call)));
      connection.close();
    },
    open: async (work) => {
      // One caller alone asks another node in each turn: one of them leads.
      const first = turns++;
      const addressOf = (at: number) => (first + at) % addresses.length;
      const count = Math.max(addresses.length, Math.ceil(work.inFlight / STREAMS_PER_CONNECTION));
      // First, because it takes longer than a server waits for the first call of a connection.
      const calls = addresses.map((address) => prepareCalls(dialect, { address, work, place }));
      const connections = await Promise.all(
        Array.from({ length: count }, (_, at) => GrpcConnection.open(addresses[addressOf(at)]!)),
      );
      return {
        call: (worker) => {
          const at = worker % count;
          return connections[at]!.call(oneOf(calls[addressOf(at)]!));
        },
        close: () => connections.forEach((connection) => connection.close()),
      };
    },
  };
}

function prepareCalls(
  dialect: GrpcDialect,
  { address, work, place }: { readonly address: string; readonly work: Work; readonly place: Place },
): readonly PreparedCall[] {
  const { kind, value, keysPerCall } = work;
  const bytes = keysPerCall * (value.length + 32);
  const count = Math.min(CALLS_PREPARED, Math.ceil(PREPARED_BYTES_MAX / bytes));
  const message = () => {
    if (kind === "get") return dialect.get(keyFor(place, address, () => oneOf(FILLED_KEYS)));
    if (kind === "put") return dialect.put(keyFor(place, address), value);
    return dialect.batch(distinctKeys(keysPerCall).map((key) => dialect.put(key, value)));
  };
  return Array.from({ length: count }, () => prepareCall(dialect.paths[kind], address, message()));
}

function plainContender(name: string, target: PlainTarget, { processorSeconds }: Place): Contender {
  const { addresses } = target;
  return {
    name,
    processorSeconds,
    fill: () => Promise.resolve(),
    open: async ({ kind, inFlight, value }) => {
      if (kind === "batch") throw new Error(`${name} is not asked for batches`);
      const connections = await Promise.all(
        Array.from(
          { length: inFlight },
          (_, worker) => RawConnection.open(addresses[worker % addresses.length]!),
        ),
      );
      const requests = addresses.map((address) =>
        Array.from({ length: CALLS_PREPARED }, () => {
          const { path, body } = kind === "put"
            ? target.put(randomKey(), value)
            : target.get(oneOf(FILLED_KEYS));
          return postRequest({ address, path, contentType: target.contentType }, body);
        })
      );
      return {
        call: async (worker) => {
          const status = await connections[worker]!.request(oneOf(requests[worker % requests.length]!));
          if (status !== 200) throw new Error(`The call was answered with ${status}`);
        },
        close: () => connections.forEach((connection) => connection.close()),
      };
    },
  };
}

function keyFor({ leaderOf }: Place, address: string, draw = randomKey): string {
  for (;;) {
    const key = draw();
    if (leaderOf === undefined || leaderOf(key) === address) return key;
  }
}

/** A transaction of etcd must not put a key twice. */
function distinctKeys(count: number): string[] {
  const keys = new Set<string>();
  while (keys.size < count) keys.add(randomKey());
  return [...keys];
}

function oneOf<T>(items: readonly T[]): T {
  return items[Math.floor(Math.random() * items.length)]!;
}

/** A protobuf field of bytes. */
function field(tag: number, bytes: Uint8Array): Uint8Array {
  const head = [tag];
  let rest = bytes.length;
  for (; rest > 0x7f; rest >>>= 7) head.push((rest & 0x7f) | 0x80);
  head.push(rest);
  return concat(Uint8Array.from(head), bytes);
}

function concat(...pieces: readonly Uint8Array[]): Uint8Array {
  return joinChunks(pieces, pieces.reduce((length, piece) => length + piece.length, 0));
}
