/**
 * A load generator's HTTP/1.1 connection: one request in flight, written and read by hand over TCP with Nagle's
 * algorithm off. Costs a third of `fetch`, so that the figures are the server's.
 *
 * @module
 */

const HEADER_END = "\r\n\r\n";
const READ_BYTES = 256 * 1024;
const decoder = new TextDecoder("latin1");
const encoder = new TextEncoder();

/** An answer. */
export interface RawResponse {
  readonly status: number;
  readonly body: Uint8Array;
}

/** See the module comment. */
export class RawConnection {
  readonly #connection: Deno.TcpConn;
  #buffer = new Uint8Array(READ_BYTES);

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  /** @param address `host:port` */
  static async open(address: string): Promise<RawConnection> {
    const colon = address.lastIndexOf(":");
    const connection = await Deno.connect({
      hostname: address.slice(0, colon),
      port: Number(address.slice(colon + 1)),
    });
    connection.setNoDelay(true);
    return new RawConnection(connection);
  }

  /** Sends a whole request and resolves with its answer; the body is valid until the next call. */
  async request(bytes: Uint8Array): Promise<RawResponse> {
    for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
    let length = 0;
    for (;;) {
      const count = await this.#connection.read(this.#buffer.subarray(length));
      if (count === null) throw new Error("The server closed the connection");
      length += count;
      const response = parse(this.#buffer.subarray(0, length));
      if (response !== undefined) return response;
      if (length === this.#buffer.length) this.#grow();
    }
  }

  close(): void {
    this.#connection.close();
  }

  #grow(): void {
    const grown = new Uint8Array(this.#buffer.length * 2);
    grown.set(this.#buffer);
    this.#buffer = grown;
  }
}

/** A `POST` with everything in one piece. */
export function postRequest(
  target: { readonly address: string; readonly path: string; readonly contentType: string },
  body: Uint8Array,
): Uint8Array {
  const head = encoder.encode(
    `POST ${target.path} HTTP/1.1\r\nHost: ${target.address}\r\nContent-Type: ${target.contentType}\r\n` +
      `Content-Length: ${body.length}\r\n\r\n`,
  );
  const request = new Uint8Array(head.length + body.length);
  request.set(head);
  request.set(body, head.length);
  return request;
}

/** The response in `bytes`, `undefined` while it is not complete. */
function parse(bytes: Uint8Array): RawResponse | undefined {
  const text = decoder.decode(bytes.subarray(0, 1024));
  const end = text.indexOf(HEADER_END);
  if (end < 0) return undefined;
  const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1];
  if (length === undefined) throw new Error(`Cannot read an answer without a length: ${text.slice(0, end)}`);
  const start = end + HEADER_END.length;
  if (bytes.length < start + Number(length)) return undefined;
  return { status: Number(text.slice(9, 12)), body: bytes.subarray(start, start + Number(length)) };
}
