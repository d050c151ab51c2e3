/**
 * A load generator's HTTP/1.1 connection: one request in flight, written and read by hand over TCP with
 * Nagle's algorithm off. Costs a third of `fetch`, so that the figures are the server's.
 *
 * @module
 */

const READ_BYTES = 16 * 1024;
const encoder = new TextEncoder();

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

  /** Sends a whole request and resolves with the status of its answer, whose body it passes over. */
  async request(bytes: Uint8Array): Promise<number> {
    for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
    let length = 0;
    for (;;) {
      const count = await this.#connection.read(length === 0 ? this.#buffer : this.#buffer.subarray(length));
      if (count === null) throw new Error("The server closed the connection");
      length += count;
      const wanted = answerLength(this.#buffer, length);
      if (wanted !== undefined && wanted <= length) return statusOf(this.#buffer);
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

const CARRIAGE_RETURN = 13;
const LENGTH_NAME = encoder.encode("content-length:");

/**
 * Bytes of the whole answer that `bytes[0 … length)` begins, `undefined` while its headers are not complete.
 */
function answerLength(bytes: Uint8Array, length: number): number | undefined {
  let bodyLength: number | undefined;
  for (let lineStart = 0;;) {
    const lineEnd = bytes.indexOf(CARRIAGE_RETURN, lineStart);
    if (lineEnd < 0 || lineEnd + 2 > length) return undefined;
    if (lineEnd === lineStart) {
      if (bodyLength === undefined) throw new Error("Cannot read an answer without a length");
      return lineEnd + 2 + bodyLength;
    }
    if (startsWithName(bytes, lineStart)) bodyLength = digits(bytes, lineStart + LENGTH_NAME.length);
    lineStart = lineEnd + 2;
  }
}

function startsWithName(bytes: Uint8Array, at: number): boolean {
  for (let offset = 0; offset < LENGTH_NAME.length; offset++) {
    // Setting this bit makes ASCII letters small and leaves "-" and ":" as they are.
    if ((bytes[at + offset]! | 0x20) !== (LENGTH_NAME[offset]! | 0x20)) return false;
  }
  return true;
}

function digits(bytes: Uint8Array, start: number): number {
  let value = 0;
  for (let at = start; bytes[at] !== CARRIAGE_RETURN; at++) {
    if (bytes[at]! !== 0x20) value = value * 10 + bytes[at]! - 0x30;
  }
  return value;
}

/** The three digits behind `HTTP/1.1 `. */
function statusOf(bytes: Uint8Array): number {
  return (bytes[9]! - 0x30) * 100 + (bytes[10]! - 0x30) * 10 + bytes[11]! - 0x30;
}
