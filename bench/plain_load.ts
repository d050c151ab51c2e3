/**
 * Load from plain clients: one call a put or get, over connections that stay open, spread evenly over all nodes. A
 * plain client knows nothing of partitions: two of three calls are forwarded by the node they reach.
 *
 * @module
 */

import { type LoadResult, randomKey, runClosedLoop, VALUE } from "./workload.ts";
import { postRequest, RawConnection } from "./raw_http.ts";

/** How one system takes a call. */
export interface PlainTarget {
  /** `host:port` each. */
  readonly addresses: readonly string[];
  readonly contentType: string;
  readonly put: (key: string, value: Uint8Array) => { readonly path: string; readonly body: Uint8Array };
  readonly get: (key: string) => { readonly path: string; readonly body: Uint8Array };
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
  const call = async (worker: number) => {
    const { path, body } = load.kind === "put" ? target.put(randomKey(), VALUE) : target.get(randomKey());
    const address = addressOf(worker);
    const request = postRequest({ address, path, contentType: target.contentType }, body);
    const { status } = await connections[worker]!.request(request);
    if (status !== 200) throw new Error(`${path} was answered with ${status}`);
  };
  try {
    return await runClosedLoop({ inFlight: load.inFlight, seconds: load.seconds, call });
  } finally {
    for (const connection of connections) connection.close();
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
