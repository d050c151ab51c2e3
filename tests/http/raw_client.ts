/**
 * A client that sends what a test wants, well-formed or not, over a connection of its own.
 *
 * @module
 */

import { latinBytes } from "./scripted_channel.ts";

/** See the module comment. */
export class RawClient {
  readonly #socket: Deno.TcpConn;
  readonly #buffer = new Uint8Array(65_536);
  #received = "";
  #hasEnded = false;

  private constructor(socket: Deno.TcpConn) {
    this.#socket = socket;
  }

  /** @param address `host:port` */
  static async open(address: string): Promise<RawClient> {
    const colon = address.lastIndexOf(":");
    const socket = await Deno.connect({
      hostname: address.slice(0, colon).replace(/^\[|\]$/g, ""),
      port: Number(address.slice(colon + 1)),
    });
    socket.setNoDelay(true);
    return new RawClient(socket);
  }

  /** Everything that has come, one character a byte. */
  get received(): string {
    return this.#received;
  }

  /** Whether the server has ended its side, or the connection is broken. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  async send(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? latinBytes(data) : data;
    for (let at = 0; at < bytes.length;) at += await this.#socket.write(bytes.subarray(at));
  }

  /** Reads what comes next, at most so much; `false` at the end. */
  async readSome(bytesMax = this.#buffer.length): Promise<boolean> {
    const count = await this.#socket.read(this.#buffer.subarray(0, bytesMax)).catch(() => null);
    if (count === null) {
      this.#hasEnded = true;
      return false;
    }
    for (const byte of this.#buffer.subarray(0, count)) this.#received += String.fromCharCode(byte);
    return true;
  }

  /** Reads until `isEnough` or the end. */
  async readUntil(isEnough: (received: string) => boolean): Promise<string> {
    while (!isEnough(this.#received) && await this.readSome()) {
      // There is more to come.
    }
    return this.#received;
  }

  /** Reads so many bytes in all and leaves the rest to the system. */
  async readExactly(bytes: number): Promise<void> {
    while (this.#received.length < bytes && await this.readSome(bytes - this.#received.length)) {
      // There is more to come.
    }
  }

  /** Reads until the server ends. */
  async readToEnd(): Promise<string> {
    return await this.readUntil(() => false);
  }

  /** Ends this side; the server may still send. */
  async endWriting(): Promise<void> {
    await this.#socket.closeWrite();
  }

  close(): void {
    try {
      this.#socket.close();
    } catch {
      // Closed already.
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
