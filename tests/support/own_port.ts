/**
 * A port of prkdb's own HTTP server, both versions, for tests that bring their own routes.
 *
 * @module
 */

import { startHttp1 } from "../../server/http/h1/mod.ts";
import { startHttp2 } from "../../server/http/h2/mod.ts";
import { ByteShare, HTTP_LIMITS, type HttpRouter, TcpListener } from "../../server/http/mod.ts";

/** Room enough for whatever a test sends. */
const SHARE_BYTES = 2 ** 30;

/** See the module comment. */
export class OwnPort {
  readonly #listener: TcpListener;

  /** Serves `router` on a free port of this machine. */
  constructor(router: HttpRouter) {
    this.#listener = new TcpListener({
      hostname: "127.0.0.1",
      port: 0,
      http1: startHttp1,
      http2: startHttp2,
      context: {
        limits: HTTP_LIMITS,
        bodies: new ByteShare(SHARE_BYTES),
        answers: new ByteShare(SHARE_BYTES),
        meters: { observeConnections() {}, observeLimit() {} },
      },
    });
    this.#listener.router = router;
  }

  /** `127.0.0.1:port`. */
  get address(): string {
    return this.#listener.address;
  }

  async close(): Promise<void> {
    await this.#listener.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
