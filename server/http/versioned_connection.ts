/**
 * A connection that was just accepted: its first bytes tell which version of HTTP it speaks, the preface of
 * HTTP/2 or anything else (RFC 9113, section 3.4), and from then on it is that version's.
 *
 * @module
 */

import { joinChunks } from "./bytes.ts";
import type { EndableConnection } from "./connection_set.ts";
import type { HttpRouter } from "./exchange.ts";
import type { HttpContext } from "./limits.ts";
import type { Patrol, Patrolled } from "./patrol.ts";
import { type ByteChannel, HTTP2_PREFACE, type HttpConnection, type HttpProtocol } from "./protocol.ts";

const PREFACE = new TextEncoder().encode(HTTP2_PREFACE);
const EMPTY = new Uint8Array();

/** What a connection is served with. */
export interface VersionedConnectionOptions {
  readonly channel: ByteChannel;
  readonly protocols: { readonly http1: HttpProtocol; readonly http2?: HttpProtocol };
  readonly router: HttpRouter;
  readonly context: HttpContext;
  readonly patrol: Patrol;
}

/** See the module comment. */
export class VersionedConnection implements EndableConnection, Patrolled {
  readonly #options: VersionedConnectionOptions;
  readonly #acceptedMs = performance.now();
  #connection: HttpConnection | undefined;

  constructor(options: VersionedConnectionOptions) {
    this.#options = options;
  }

  get hasCompletedRequest(): boolean {
    return this.#connection?.hasCompletedRequest === true;
  }

  get idleSinceMs(): number | undefined {
    return this.#connection === undefined ? this.#acceptedMs : this.#connection.idleSinceMs;
  }

  get isTrusted(): boolean {
    return this.#connection?.isTrusted === true;
  }

  async serve(): Promise<void> {
    const received = await this.#readVersion();
    if (received.length > 0) {
      this.#connection = this.#startVersion(received);
      await this.#connection.serve();
    }
    this.#options.channel.close();
  }

  drain(): void {
    if (this.#connection === undefined) this.end();
    else this.#connection.drain();
  }

  end(): void {
    this.#connection?.end();
    this.#options.channel.close();
  }

  checkTime(nowMs: number): void {
    if (nowMs - this.#acceptedMs <= this.#options.context.limits.headMs) return;
    this.#options.context.meters.observeLimit("head_time");
    this.end();
  }

  /** Reads until the version is certain; nothing if the other side ended or was too slow. */
  async #readVersion(): Promise<Uint8Array> {
    const { channel, patrol } = this.#options;
    let received: Uint8Array = EMPTY;
    patrol.add(this);
    try {
      while (mayBecomePreface(received)) {
        const chunk = await channel.read();
        if (chunk === undefined) return received;
        received = received.length === 0
          ? chunk
          : joinChunks([received, chunk], received.length + chunk.length);
      }
    } catch {
      return EMPTY;
    } finally {
      patrol.delete(this);
    }
    return received;
  }

  #startVersion(received: Uint8Array): HttpConnection {
    const { protocols, channel, router, context, patrol } = this.#options;
    const isHttp2 = received.length >= PREFACE.length && protocols.http2 !== undefined && isPrefix(received);
    const start = isHttp2 ? protocols.http2! : protocols.http1;
    return start({
      channel,
      received,
      router,
      context,
      patrol,
      scheme: "http",
      acceptedMs: this.#acceptedMs,
    });
  }
}

/** Whether these bytes leave open if the preface is coming. */
function mayBecomePreface(received: Uint8Array): boolean {
  return received.length < PREFACE.length && isPrefix(received);
}

/** Whether `received` is what the preface begins with, or begins with the preface. */
function isPrefix(received: Uint8Array): boolean {
  const length = Math.min(received.length, PREFACE.length);
  for (let at = 0; at < length; at++) {
    if (received[at] !== PREFACE[at]) return false;
  }
  return true;
}
