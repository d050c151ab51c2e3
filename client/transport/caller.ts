/**
 * The port through which the client calls nodes: encoded request in, encoded response out. Over HTTP it is
 * `fetchCaller`; a node in the same process, or a simulated network, is another implementation.
 *
 * @module
 */

/** One unary call. */
export interface UnaryCall {
  /** Base URL of the node without a trailing slash, for example `http://127.0.0.1:50051`. */
  readonly address: string;
  /** `/prkdb.v1.KvService/Put` and the like. */
  readonly path: string;
  /** The request message in protobuf's binary form. It does not change while the call runs. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** The node may give up after so many milliseconds, 1 or more. */
  readonly timeoutMs: number;
  /** The node must answer NOT_LEADER rather than forward (`prkdb-route: direct`). */
  readonly direct: boolean;
  /** The cluster that is meant (`prkdb-cluster`); empty before its id is known. */
  readonly clusterId: string;
  /** The method has no side effects, so it may be sent as a Connect GET. */
  readonly readOnly: boolean;
  /** Fires when the answer is not waited for any more. */
  readonly signal: AbortSignal;
}

/** One server-streaming call. */
export interface StreamCall {
  /** Base URL of the node without a trailing slash. */
  readonly address: string;
  /** `/prkdb.v1.ClusterService/WatchChanges` and the like. */
  readonly path: string;
  /** The request message in protobuf's binary form. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** The cluster that is meant; empty before its id is known. */
  readonly clusterId: string;
  /** Fires when messages are not taken any more. */
  readonly signal: AbortSignal;
}

/** Carries streams of answers. */
export interface StreamCaller {
  /**
   * The response messages in protobuf's binary form. Throws as `UnaryCaller.call` does; a stream that breaks
   * off throws too.
   */
  stream(call: StreamCall): AsyncGenerator<Uint8Array, void>;
}

/** See the module comment. A caller that is a `StreamCaller` too can be watched over. */
export interface UnaryCaller extends Partial<StreamCaller> {
  /**
   * Sends `call` and resolves with the response message in protobuf's binary form.
   *
   * @throws {ConnectError} as the node answered it, with its details (`NotLeader`, `ErrorInfo`)
   * @throws {Error} of any other class when no answer came: refused, reset, aborted. The client takes it that
   *   the node cannot be reached and that a write may have happened.
   */
  call(call: UnaryCall): Promise<Uint8Array>;
}
