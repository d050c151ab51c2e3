/**
 * A client that opens the peers' stream to a node and says what a peer never would. Written from `raft.proto`
 * with the generated code, over a plain socket, so that it can break every rule.
 *
 * @module
 */

import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { PeerBatchSchema } from "../../../proto/mod.ts";
import { ascii, tryWrite } from "./raw_socket.ts";

const HEAD = ascii(
  "POST /prkdb.v1.RaftService/Deliver HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/connect+proto\r\n" +
    "Connect-Protocol-Version: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
);

/** Behind the end of an answer's body. */
const LAST_CHUNK = "\r\n0\r\n\r\n";

/** What a peer says of itself at the start. */
export interface Hello {
  readonly clusterId: string;
  readonly fromNode: number;
  readonly toNode: number;
  readonly protocolVersion: number;
  /** Of the data directory of the node whose name is taken; a node lets no other one in. */
  readonly incarnation?: string;
}

/** What an envelope says of itself. */
export interface EnvelopeHead {
  readonly announcedBytes: number;
  readonly flags?: number;
}

/** See the module comment. */
export class FakePeer {
  readonly #connection: Deno.TcpConn;
  #answer = "";
  readonly #ended: Promise<void>;
  #hasEnded = false;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
    this.#ended = this.#read();
  }

  /** Opens a stream to `port` of this machine; nothing has been said yet. */
  static async open(port: number): Promise<FakePeer> {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await tryWrite(connection, HEAD);
    return new FakePeer(connection);
  }

  /** What the node has answered so far, as latin-1: how much has arrived, and the end of the stream. */
  get answer(): string {
    return this.#answer;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Resolves when the node has ended the stream or closed the connection. */
  untilEnded(): Promise<void> {
    return this.#ended;
  }

  /** Introduces itself. */
  greet(hello: Hello): Promise<boolean> {
    return this.say({ hello: { incarnation: "", ...hello, address: "127.0.0.1:1" } });
  }

  /** One message in its envelope; `false` when the node does not take it any more. */
  say(batch: MessageInitShape<typeof PeerBatchSchema>): Promise<boolean> {
    const message = toBinary(PeerBatchSchema, create(PeerBatchSchema, batch));
    return this.sayEnvelope(message, { announcedBytes: message.length });
  }

  /** Bytes in an envelope that announces any length and has any flags. */
  sayEnvelope(bytes: Uint8Array, { announcedBytes, flags = 0 }: EnvelopeHead): Promise<boolean> {
    const envelope = new Uint8Array(5 + bytes.length);
    envelope[0] = flags;
    new DataView(envelope.buffer).setUint32(1, announcedBytes);
    envelope.set(bytes, 5);
    return this.sayBytes(envelope);
  }

  /** One chunk of the request's body. */
  async sayBytes(bytes: Uint8Array): Promise<boolean> {
    const size = ascii(`${bytes.length.toString(16)}\r\n`);
    const parts = [size, bytes, ascii("\r\n")];
    for (const part of parts) {
      if (!(await tryWrite(this.#connection, part))) return false;
    }
    return true;
  }

  close(): void {
    try {
      this.#connection.close();
    } catch {
      // The runtime has closed it, because the node did.
    }
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(4_096);
    try {
      while (!this.#answer.endsWith(LAST_CHUNK)) {
        const length = await this.#connection.read(buffer);
        if (length === null) break;
        this.#answer += String.fromCharCode(...buffer.subarray(0, length));
      }
    } catch {
      // Closed by us, or reset by the node; either way there is no more to read.
    }
    this.#hasEnded = true;
  }
}
