/**
 * Unary calls, the hot path: a body that is there as a whole, from bytes to bytes, by the same functions as
 * Connect's binary calls.
 *
 * ```
 * headers ─▶ cluster, deadline, route ─▶ one message ─▶ UnaryMethod.answerBytes ─▶ one message, status 0
 *                       │                     │                    │
 *                       └─────────────────────┴────────────────────┴─▶ trailers-only: the status alone
 * ```
 *
 * @module
 */

import { REQUEST_BYTES_MAX } from "../../proto/mod.ts";
import type { NodeCallOptions } from "../api/mod.ts";
import type { Caller, RequestHead, WholeAnswer, WholeHandler } from "../http/mod.ts";
import {
  AnswerLease,
  bodyRefused,
  checkCluster,
  CLUSTER_HEADER,
  type ClusterMember,
  type ExchangeRoom,
  type NotedCall,
  noteFailure,
  noteSuccess,
  type RequestObserver,
  type UnaryMethod,
} from "../rpc/method/mod.ts";
import { type AnswerForm, GRPC_FORM } from "./call_type.ts";
import { type Compression, foldAnswer, readCompression, withMessage } from "./compression.ts";
import { framedLength, onlyMessage, PREFIX_BYTES } from "./framing.ts";
import { unaryOptions } from "./timeout.ts";

/** What is read of a call that is refused. */
export const REFUSED_BYTES_MAX = 64 * 1024;

/** What answering a call takes, of either kind. */
export interface GrpcContext {
  readonly node: ClusterMember;
  readonly requests: RequestObserver;
  /** Room for what requests unfold to, for messages of streams that are not complete, and for answers. */
  readonly room: ExchangeRoom;
}

/** Of a method, as far as gRPC needs it. */
export type GrpcUnary = Pick<UnaryMethod, "name" | "path" | "answerBytes">;

/** Serves `method`, by gRPC unless another form is given. */
export function unaryHandler(
  method: GrpcUnary,
  context: GrpcContext,
  form: AnswerForm = GRPC_FORM,
): WholeHandler {
  const begin = (): NotedCall => ({
    requests: context.requests,
    method: method.name,
    startedMs: performance.now(),
  });
  return {
    kind: "whole",
    label: { route: method.path, protocol: form.protocol },
    bodyLimitBytes: PREFIX_BYTES + REQUEST_BYTES_MAX,
    lengthOf: framedLength,
    answer: (head, body, caller) =>
      answerUnary({ method, context, form, call: begin() }, { head, body, caller }),
    refuse: (head, refusal) => {
      const error = bodyRefused(refusal, head.headers.get("content-length"));
      return form.failed(head, noteFailure(begin(), error));
    },
    refuseHead: (head) => {
      try {
        readHead(head, context.node);
        return undefined;
      } catch (error) {
        return form.failed(head, noteFailure(begin(), error));
      }
    },
  };
}

/**
 * What the head says of a call.
 *
 * @throws {DomainError} when the call cannot be served, whatever its message is
 */
function readHead({ headers }: RequestHead, node: ClusterMember, caller?: Caller): UnaryWishes {
  checkCluster(headers.get(CLUSTER_HEADER), node);
  return { compression: readCompression(headers), options: unaryOptions(headers, caller) };
}

/** How a call is to be served. */
interface UnaryWishes {
  readonly compression: Compression;
  readonly options: NodeCallOptions;
}

/** A call under way. */
interface UnaryCall {
  readonly method: GrpcUnary;
  readonly context: GrpcContext;
  readonly form: AnswerForm;
  readonly call: NotedCall;
}

/** A request that is there as a whole. */
interface WholeRequest {
  readonly head: RequestHead;
  readonly body: Uint8Array;
  readonly caller: Caller;
}

async function answerUnary(
  { method, context, form, call }: UnaryCall,
  { head, body, caller }: WholeRequest,
): Promise<WholeAnswer> {
  const lease = new AnswerLease(context.room, form.copies);
  try {
    const { node, room } = context;
    const { compression, options: wishes } = readHead(head, node, caller);
    const options = { ...wishes, lease };
    const message = onlyMessage(body);
    const answer = message.isCompressed
      ? await withMessage(
        message,
        { compression, bodies: room.bodies },
        (bytes) => method.answerBytes(bytes, options),
      )
      : await method.answerBytes(message.bytes, options);
    const folded = foldAnswer(answer, compression);
    // What is there already is not awaited: that would cost a turn of the microtask queue.
    const framed = folded instanceof Promise ? await folded : folded;
    noteSuccess(call);
    return form.done(head, framed, compression.isAnswerGzip);
  } catch (error) {
    return form.failed(head, noteFailure(call, error));
  } finally {
    lease.release();
  }
}

/**
 * Answers a call that is refused already, whatever its body is. Who waits for the answer before sending a
 * message has it at once.
 *
 * @param route the path, if there is such a method
 */
export function refusalOf(call: NotedCall, error: unknown, route?: string): WholeHandler {
  const answer = (head: RequestHead) => GRPC_FORM.failed(head, noteFailure(call, error));
  return {
    kind: "whole",
    label: { ...(route === undefined ? {} : { route }), protocol: "grpc" },
    bodyLimitBytes: REFUSED_BYTES_MAX,
    answer,
    refuse: answer,
    refuseHead: answer,
  };
}
