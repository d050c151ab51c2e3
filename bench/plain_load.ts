/**
 * Load from plain clients: one call a put or get, over connections that stay open, spread evenly over all
 * nodes. Unless told who leads a key, a plain client knows nothing of partitions: two of three calls are
 * forwarded by the node they reach.
 *
 * @module
 */

import { postRequest, RawConnection } from "./raw_http.ts";
import { type LoadResult, randomKey, runClosedLoop, VALUE } from "./workload.ts";

/** Different requests a node gets, again and again in random order. */
const REQUESTS_PREPARED = 20_000;

/** How one system takes a call. */
export interface PlainTarget {
  /** `host:port` each. */
  readonly addresses: readonly string[];
  readonly contentType: string;
  readonly put: (key: string, value: Uint8Array) => { readonly path: string; readonly body: Uint8Array };
  readonly get: (key: string) => { readonly path: string; readonly body: Uint8Array };
  /** Which of the addresses leads the key; if it is given, calls go there, else to any. */
  readonly leaderOf?: (key: string) => string;
}

/** Puts or gets random keys with `inFlight` connections, one call in flight on each. */
export async function runPlainLoad(
  target: PlainTarget,
  load: { readonly kind: "put" | "get"; readonly inFlight: number; readonly seconds: number },
): Promise<LoadResult> {
  const addressOf = (worker: number) => target.addresses[worker % target.addresses.length]!;
  const connections = await Promise.all(
    Array.from({ length: load.inFlight }, (_, worker) => RawConnection.open(addressOf(worker))),
  );
  const requests = target.addresses.map((address) => prepareRequests(target, { address, kind: load.kind }));
  const call = async (worker: number) => {
    const prepared = requests[worker % requests.length]!;
    const status = await connections[worker]!.request(prepared[Math.floor(Math.random() * prepared.length)]!);
    if (status !== 200) throw new Error(`A ${load.kind} was answered with ${status}`);
  };
  try {
    return await runClosedLoop({ inFlight: load.inFlight, seconds: load.seconds, call });
  } finally {
    for (const connection of connections) connection.close();
  }
}

/** Random keys, made before the clock runs: the load's own work should be the least possible. */
function prepareRequests(
  target: PlainTarget,
  { address, kind }: { readonly address: string; readonly kind: "put" | "get" },
): readonly Uint8Array[] {
  return Array.from({ length: REQUESTS_PREPARED }, () => {
    const key = keyFor(target, address);
    const { path, body } = kind === "put" ? target.put(key, VALUE) : target.get(key);
    return postRequest({ address, path, contentType: target.contentType }, body);
  });
}

function keyFor({ leaderOf }: PlainTarget, address: string): string {
  for (;;) {
    const key = randomKey();
    if (leaderOf === undefined || leaderOf(key) === address) return key;
  }
}

const encoder = new TextEncoder();
const KEY_FIELD = 0x0a;
const VALUE_FIELD = 0x12;

/** prkdb over the Connect protocol's binary form. */
export function prkdbTarget(addresses: readonly string[]): PlainTarget {
  return {
    addresses,
    contentType: "application/proto",
    put: (key, value) => ({
      path: "/prkdb.v1.KvService/Put",
      body: concat(bytesField(KEY_FIELD, encoder.encode(key)), bytesField(VALUE_FIELD, value)),
    }),
    get: (key) => ({
      path: "/prkdb.v1.KvService/Get",
      body: bytesField(KEY_FIELD, encoder.encode(key)),
    }),
  };
}

/** A protobuf field of fewer than 128 bytes. */
function bytesField(tag: number, bytes: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(tag, bytes.length), bytes);
}

function concat(left: Uint8Array, right: Uint8Array): Uint8Array {
  const both = new Uint8Array(left.length + right.length);
  both.set(left);
  both.set(right, left.length);
  return both;
}
