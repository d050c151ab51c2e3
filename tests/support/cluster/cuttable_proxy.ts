/**
 * A TCP proxy on loopback that can be cut and healed: a link of a network that breaks. While it hangs,
 * connections stay open and nothing passes, as when packets are lost: what was sent meanwhile arrives after
 * healing. While it refuses, connections are reset, as when a machine is gone.
 *
 * Each direction can also drop: what is sent in it vanishes, nobody is told, and a connection that has lost
 * something that way stays dead in that direction for good, as TCP connections do for a long time behind a
 * path that drops packets.
 *
 * ```
 * from ──▶ proxy ──▶ target      bytes pass in both directions, or in none
 * ```
 *
 * @module
 */

const HOST = "127.0.0.1";
const BUFFER_BYTES = 65_536;

const NEVER = new Promise<never>(() => {});

/** What the link does. */
export type LinkState = "passing" | "hanging" | "refusing";

/** A direction through the proxy: from who connects to the target, or back. */
export type Direction = "forward" | "backward";

/** The way through the proxy of one connection. */
interface Pipe {
  readonly from: Deno.TcpConn;
  readonly to: Deno.TcpConn;
  readonly direction: Direction;
}

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
  readonly #dropping = new Set<Direction>();

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

  /** Lets everything vanish that is sent in `direction` from now on. */
  drop(direction: Direction): void {
    this.#dropping.add(direction);
  }

  /** Nothing vanishes any more on connections that have lost nothing. */
  dropNothing(): void {
    this.#dropping.clear();
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
      await Promise.race([
        this.#pump({ from: inward, to: outward, direction: "forward" }),
        this.#pump({ from: outward, to: inward, direction: "backward" }),
      ]);
      this.#drop(outward);
    } catch {
      // One of the two ends is gone, which the other learns now.
    } finally {
      this.#drop(inward);
    }
  }

  /** Copies until one side ends; what has been read while the link hangs waits for it. */
  async #pump({ from, to, direction }: Pipe): Promise<void> {
    const buffer = new Uint8Array(BUFFER_BYTES);
    let hasLost = false;
    try {
      for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
        await this.#gate.promise;
        hasLost ||= this.#dropping.has(direction);
        if (hasLost) continue;
        for (let sent = 0; sent < count;) sent += await to.write(buffer.subarray(sent, count));
        this.#passedBytes += count;
      }
      await this.#gate.promise;
      // The other side is not told of the end either: the connection just lies there.
      if (hasLost || this.#dropping.has(direction)) await NEVER;
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
