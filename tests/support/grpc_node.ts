/**
 * What gRPC's tests ask: a router on a node that only pretends, with all that can be watched of it.
 *
 * @module
 */

import { type DescMethod, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { type Readiness, readinessOf } from "../../server/api/mod.ts";
import { GrpcRouter } from "../../server/grpc/mod.ts";
import { servedMethods } from "../../server/rpc/mod.ts";
import { FakeNode } from "../conformance/fake_node.ts";

const PREFIX_BYTES = 5;

/** Room for bodies that is counted. */
export class CountedBudget {
  /** What is taken now. */
  takenBytes = 0;
  /** The most that was. */
  peakBytes = 0;
  readonly #limitBytes: number;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  take(bytes: number): boolean {
    if (this.takenBytes + bytes > this.#limitBytes) return false;
    this.takenBytes += bytes;
    this.peakBytes = Math.max(this.peakBytes, this.takenBytes);
    return true;
  }

  release(bytes: number): void {
    this.takenBytes -= bytes;
    if (this.takenBytes < 0) throw new Error("more was given back than taken");
  }
}

/** See the module comment. */
export class GrpcNode {
  readonly node = new FakeNode();
  readonly closing = new AbortController();
  readonly bodies: CountedBudget;
  /** Method and code of each call, in order. */
  readonly noted: string[] = [];
  readiness: Readiness = readinessOf([]);
  readonly router: GrpcRouter;

  /** @param bodyBytes room for bodies that unfold or are not complete */
  constructor(bodyBytes = 256 * 1024 * 1024) {
    this.bodies = new CountedBudget(bodyBytes);
    this.router = new GrpcRouter({
      node: this.node,
      methods: servedMethods(this.node),
      requests: {
        observe: (method, code) => void this.noted.push(`${method} ${code}`),
        observeRefusal: () => {},
      },
      room: { bodies: this.bodies, answers: new CountedBudget(bodyBytes) },
      closing: this.closing.signal,
      readiness: () => this.readiness,
      healthPollMs: 5,
    });
  }
}

/** The messages in the body of an answer, of which none may be compressed. */
export function messagesOf<M extends DescMethod>(
  { output }: M,
  body: Uint8Array,
): MessageShape<M["output"]>[] {
  const messages: MessageShape<M["output"]>[] = [];
  for (let at = 0; at < body.length;) {
    const length = new DataView(body.buffer, body.byteOffset + at + 1).getUint32(0);
    if (body[at] !== 0) throw new Error(`the message at ${at} has the flags ${body[at]}`);
    const end = at + PREFIX_BYTES + length;
    messages.push(fromBinary(output, body.subarray(at + PREFIX_BYTES, end)) as MessageShape<M["output"]>);
    at = end;
  }
  return messages;
}
