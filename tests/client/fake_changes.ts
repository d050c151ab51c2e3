/**
 * The part of a fake cluster that takes changes to the cluster: it writes down what was asked, tells watchers
 * what a test lets happen, and fails on demand.
 *
 * @module
 */

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import { endStreamToJson } from "@connectrpc/connect/protocol-connect";
import {
  AddNodeRequestSchema,
  ChangeResponseSchema,
  MoveReplicaRequestSchema,
  RemoveNodeRequestSchema,
  SetReplicationFactorRequestSchema,
  TransferLeadershipRequestSchema,
  WatchChangesRequestSchema,
  WatchChangesResponseSchema,
} from "../../proto/mod.ts";

const STREAM_TYPE = "application/connect+proto";
const END_FLAG = 2;
const ENVELOPE_HEADER_BYTES = 5;

/** A change as `WatchChanges` tells it. */
export type ToldChange = MessageInitShape<typeof WatchChangesResponseSchema> & { readonly changeId: string };

/** What happens to a change that is asked for, instead of being taken up. */
export type ChangeFault =
  | { readonly kind: "error"; readonly code: Code; readonly message: string }
  /** It is taken up, and the connection breaks before the answer. */
  | { readonly kind: "loseAnswer" };

/** One open watch. */
interface Watcher {
  readonly node: number;
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
}

/** See the module comment. */
export class FakeChanges {
  /**
   * Every change in the words of the fake, as `addNode 4 a:1`, with the position of the node that took it up.
   */
  readonly taken: { readonly node: number; readonly what: string }[] = [];
  /** Decides on the fate of a change; `undefined` lets it be taken up. */
  fault: (what: string, node: number) => ChangeFault | undefined = () => undefined;
  /** Nodes that open watches and tell nothing. */
  readonly mute = new Set<number>();
  /** Whether nodes are certain that there are no changes but those that were told. */
  knowsAll = false;
  /** Watches opened so far. */
  watchesOpened = 0;
  /** Called when a change has been taken up, with its id. */
  onTaken: (changeId: string) => void = () => {};
  readonly #told = new Map<string, ToldChange>();
  readonly #watchers = new Set<Watcher>();

  /** Watches open at this moment. */
  get watchCount(): number {
    return this.#watchers.size;
  }

  /** Lets `change` be known everywhere. */
  tell(change: ToldChange): void {
    this.#told.set(change.changeId, change);
    for (const { node, controller } of this.#watchers) {
      if (!this.mute.has(node)) controller.enqueue(messageOf(change));
    }
  }

  /** Breaks the watches of `node`. */
  breakWatches(node: number): void {
    for (const watcher of this.#watchers) {
      if (watcher.node !== node) continue;
      this.#watchers.delete(watcher);
      watcher.controller.error(new Error("the connection breaks, as scripted"));
    }
  }

  /** Ends all watches as a node does that stops. */
  end(): void {
    for (const { controller } of this.#watchers) {
      controller.enqueue(endOf(new ConnectError("stopping", Code.Unavailable)));
      controller.close();
    }
    this.#watchers.clear();
  }

  /** The answer to `method`, `undefined` when it is none of those that change the cluster. */
  tryAnswer(
    method: string,
    { node, body }: { readonly node: number; readonly body: Uint8Array },
  ): Response | undefined {
    if (method === "WatchChanges") {
      const { once, changeId } = fromBinary(
        WatchChangesRequestSchema,
        body.subarray(ENVELOPE_HEADER_BYTES),
      );
      if (this.knowsAll && changeId !== "" && !this.#told.has(changeId)) {
        const end = endOf(new ConnectError(`no change ${changeId}`, Code.InvalidArgument));
        return new Response(end.slice(), { headers: { "content-type": STREAM_TYPE } });
      }
      return once ? this.#list(node) : this.#watch(node);
    }
    const what = describe(method, body);
    if (what === undefined) return undefined;
    const fault = this.fault(what, node);
    if (fault?.kind === "error") throw new ConnectError(fault.message, fault.code);
    const changeId = `change-${this.taken.push({ node, what })}`;
    this.onTaken(changeId);
    if (fault?.kind === "loseAnswer") return broken();
    const response = toBinary(ChangeResponseSchema, create(ChangeResponseSchema, { changeId }));
    return new Response(response, { headers: { "content-type": "application/proto" } });
  }

  #list(node: number): Response {
    if (this.mute.has(node)) throw new ConnectError("mute", Code.Unavailable);
    const end = endOf(undefined);
    const body = new Blob([...this.#told.values()].map(messageOf).concat(end) as Uint8Array<ArrayBuffer>[]);
    return new Response(body, { headers: { "content-type": STREAM_TYPE } });
  }

  #watch(node: number): Response {
    this.watchesOpened++;
    let watcher: Watcher | undefined;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        watcher = { node, controller };
        this.#watchers.add(watcher);
        if (this.mute.has(node)) return;
        for (const change of this.#told.values()) controller.enqueue(messageOf(change));
      },
      cancel: () => void this.#watchers.delete(watcher!),
    });
    return new Response(body, { headers: { "content-type": STREAM_TYPE } });
  }
}

function describe(method: string, body: Uint8Array): string | undefined {
  switch (method) {
    case "AddNode": {
      const { nodeId, address } = fromBinary(AddNodeRequestSchema, body);
      return `addNode ${nodeId} ${address}`;
    }
    case "RemoveNode":
      return `removeNode ${fromBinary(RemoveNodeRequestSchema, body).nodeId}`;
    case "MoveReplica": {
      const { partitionId, fromNode, toNode } = fromBinary(MoveReplicaRequestSchema, body);
      return `moveReplica ${partitionId} ${fromNode} ${toNode}`;
    }
    case "TransferLeadership": {
      const { partitionId, toNode } = fromBinary(TransferLeadershipRequestSchema, body);
      return `transferLeadership ${partitionId} ${toNode}`;
    }
    case "Rebalance":
      return "rebalance";
    case "SetReplicationFactor":
      return `setReplicationFactor ${fromBinary(SetReplicationFactorRequestSchema, body).factor}`;
    default:
      return undefined;
  }
}

function messageOf(change: ToldChange): Uint8Array {
  return encodeEnvelope(0, toBinary(WatchChangesResponseSchema, create(WatchChangesResponseSchema, change)));
}

function endOf(error: ConnectError | undefined): Uint8Array {
  const json = JSON.stringify(endStreamToJson(new Headers(), error, undefined));
  return encodeEnvelope(END_FLAG, new TextEncoder().encode(json));
}

function broken(): Response {
  const body = new ReadableStream({
    pull: (controller) => controller.error(new Error("the connection breaks, as scripted")),
  });
  return new Response(body, { headers: { "content-type": "application/proto" } });
}
