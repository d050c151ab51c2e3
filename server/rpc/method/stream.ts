/**
 * A method that answers with a stream, and how such an answer is put on its way.
 *
 * The answer's headers leave at once, because the first message may be hours away. A caller who leaves is
 * noticed when the runtime cancels the body of the answer, which it also does while nothing is being written;
 * then the method's signal fires, so that whatever waits for news inside it ends.
 *
 * @module
 */

import type {
  DescMessage,
  DescMethodServerStreaming,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { DomainError, type NodeApi } from "../../api/mod.ts";

/** What a stream is made of. `Result` is the domain's. */
export interface StreamDefinition<I extends DescMessage, O extends DescMessage, Result> {
  readonly desc: DescMethodServerStreaming<I, O>;
  /**
   * Given a node, the function that validates, translates and asks it.
   *
   * Its signal fires when the caller has left, its deadline has passed or the node stops; the stream must end
   * then. It may throw what the service's contract says, also after messages.
   */
  readonly answer: (
    node: NodeApi,
  ) => (message: MessageShape<I>, signal: AbortSignal) => AsyncIterable<Result>;
  readonly reply: (result: Result) => MessageInitShape<O>;
}

/** A stream, ready to be served. */
export interface StreamMethod {
  readonly desc: DescMethodServerStreaming;
  /** From request message to response messages; for the router, which knows the types by `desc` only. */
  readonly answerMessages: (
    input: MessageShape<DescMessage>,
    signal: AbortSignal,
  ) => AsyncIterable<MessageInitShape<DescMessage>>;
}

/** A definition as it is, its types inferred. */
export function defineStream<I extends DescMessage, O extends DescMessage, Result>(
  definition: StreamDefinition<I, O, Result>,
): StreamDefinition<I, O, Result> {
  return definition;
}

/** The stream, answered by `node`. */
export function serveStream<I extends DescMessage, O extends DescMessage, Result>(
  { desc, answer, reply }: StreamDefinition<I, O, Result>,
  node: NodeApi,
): StreamMethod {
  const results = answer(node);
  return {
    desc,
    answerMessages: async function* (input, signal) {
      for await (const result of results(input as MessageShape<I>, signal)) {
        const message: unknown = reply(result);
        yield message as MessageInitShape<DescMessage>;
      }
      if (signal.aborted) throw endOf(signal);
    },
  };
}

/** Why a stream ends when its node stops. */
export function streamStopped(): DomainError {
  return new DomainError(
    { kind: "unavailable" },
    "Cannot go on with the stream: the node is stopping: ask another node",
    "stopping",
  );
}

/** How an answer is begun early. */
export interface EarlyResponseOptions {
  /** Content type of the request, `application/connect+proto` or the like. */
  readonly type: string;
  /** Called when the answer has ended or the caller has left; may be called twice. */
  readonly onEnd: () => void;
}

/** An answer that begins before `pending`, the router's answer, does. */
export function earlyResponse(
  pending: Promise<UniversalServerResponse>,
  { type, onEnd }: EarlyResponseOptions,
): Response {
  let chunks: AsyncIterator<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        chunks ??= (await pending).body?.[Symbol.asyncIterator]();
        const next = await chunks?.next();
        if (next !== undefined && !next.done) return controller.enqueue(next.value);
        controller.close();
        onEnd();
      } catch (error) {
        onEnd();
        throw error;
      }
    },
    cancel(reason) {
      onEnd();
      // A stream that waits ends by its signal; one that stands at a message is told here.
      chunks?.throw?.(reason).catch(() => {});
    },
  });
  return new Response(body, { headers: { "content-type": answerType(type) } });
}

/** Content types are answered as they were asked, with what gRPC-Web leaves out spelled out. */
function answerType(type: string): string {
  const plain = type.toLowerCase();
  return plain === "application/grpc-web" ? `${plain}+proto` : plain;
}

/** Why a stream ended that had not come to its end. */
function endOf({ reason }: AbortSignal): Error {
  if (reason instanceof ConnectError || reason instanceof DomainError) return reason;
  return new DomainError({ kind: "cancelled" }, "Cannot go on with the stream: the caller has left");
}
