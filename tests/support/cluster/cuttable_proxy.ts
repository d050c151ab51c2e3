/**
 * A TCP proxy on loopback that can be cut and healed: a link of a network that breaks. While it hangs,
 * connections stay open and nothing passes, as when packets are lost: what was sent meanwhile arrives after
 * healing. While it refuses, connections are reset, as when a machine is gone.
 *
 * ```
 * from ──▶ proxy ──▶ target      bytes pass in both directions, or in none
 * ```
 *
 * @module
 */

const HOST = "127.0.0.1";
const BUFFER_BYTES = 65_536;

/** What the link does. */
export type LinkState = "passing" | "hanging" | "refusing";

/** Where a proxy listens, and where it leads. */
interface ProxyPorts {
  readonly port: number;
  readonly targetPort: number;
}

/** See the module comment. */
export class CuttableProxy {
  readonly #listener: Deno.TcpListener;
  readonly #targetPort: number;
  readonly #connections = new Set<Deno.TcpConn>();
  readonly #accepting: Promise<void>;
  #state: LinkState = "passing";
  /** Resolves when bytes may pass again. */
  #gate = Promise.withResolvers<void>();
  #passedBytes = 0;

  private constructor(listener: Deno.TcpListener, targetPort: number) {
    this.#listener = listener;
    this.#targetPort = targetPort;
    this.#gate.resolve();
    this.#accepting = this.#accept();
  }

  /** Listens on `port` of loopback for connections to `targetPort` of loopback. */
  static open({ port, targetPort }: ProxyPorts): CuttableProxy {
    return new CuttableProxy(Deno.listen({ hostname: HOST, port }), targetPort);
  }

  /** `host:port` to connect to. */
  get address(): string {
    return `${HOST}:${this.#listener.addr.port}`;
  }

  /** Bytes that have passed in both directions. */
  get passedBytes(): number {
    return this.#passedBytes;
  }

  /** Lets bytes pass, holds them up, or resets all connections now and to come. */
  set(state: LinkState): void {
    const isHeld = this.#state === "hanging";
    this.#state = state;
    if (state === "hanging" && !isHeld) this.#gate = Promise.withResolvers();
    if (state !== "hanging") this.#gate.resolve();
    if (state === "refusing") this.#reset();
  }

  /** Ends all connections and listens no more. */
  async close(): Promise<void> {
    this.#listener.close();
    this.set("refusing");
    await this.#accepting;
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) {
      if (this.#state === "refusing") shut(connection);
      else this.#forward(connection);
    }
  }

  async #forward(inward: Deno.TcpConn): Promise<void> {
    this.#connections.add(inward);
    await this.#gate.promise;
    try {
      const outward = await Deno.connect({ hostname: HOST, port: this.#targetPort });
      if (!this.#connections.has(inward)) return shut(outward);
      this.#connections.add(outward);
      inward.setNoDelay(true);
      outward.setNoDelay(true);
      await Promise.race([this.#pump(inward, outward), this.#pump(outward, inward)]);
      this.#drop(outward);
    } catch {
      // One of the two ends is gone, which the other learns now.
    } finally {
      this.#drop(inward);
    }
  }

  /** Copies until one side ends; what has been read while the link hangs waits for it. */
  async #pump(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(BUFFER_BYTES);
    try {
      for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
        await this.#gate.promise;
        for (let sent = 0; sent < count;) sent += await to.write(buffer.subarray(sent, count));
        this.#passedBytes += count;
      }
      await this.#gate.promise;
    } catch {
      // Reset by either end.
    }
  }

  #reset(): void {
    for (const connection of [...this.#connections]) this.#drop(connection);
  }

  #drop(connection: Deno.TcpConn): void {
    this.#connections.delete(connection);
    shut(connection);
  }
}

function shut(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // Closed already.
  }
}
