/**
 * A listening port. It is bound before there is anything to serve behind it, and stays open whatever happens:
 * when the process has run out of file descriptors the runtime gives up listening, and the port is opened
 * again as soon as there are some.
 *
 * @module
 */

import { getLogger } from "@logtape/logtape";

const REOPEN_MS = 100;

const logger = getLogger(["prkdb", "server"]);

/** See the module comment. */
export class HttpListener {
  readonly #hostname: string;
  readonly #port: number;
  #http: Deno.HttpServer<Deno.NetAddr>;
  #isClosed = false;
  /** Answers a request; set once there is something to serve. */
  handler: (request: Request) => Response | Promise<Response> = () =>
    new Response("the node is starting\n", { status: 503 });

  /**
   * Binds the port at once.
   *
   * @param port 0 for any free one
   * @throws {Deno.errors.AddrInUse} when it is taken
   */
  constructor(hostname: string, port: number) {
    this.#hostname = hostname;
    this.#http = this.#listen(port);
    this.#port = this.#http.addr.port;
  }

  /** `host:port`, in the form that stands in a URL. */
  get address(): string {
    const { hostname } = this.#http.addr;
    return hostname.includes(":") ? `[${hostname}]:${this.#port}` : `${hostname}:${this.#port}`;
  }

  /** Takes nothing new in; resolves when everything under way is answered. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#http.shutdown().catch(() => {});
  }

  #listen(port: number): Deno.HttpServer<Deno.NetAddr> {
    const options = { hostname: this.#hostname, port, onListen: () => {}, onError: answerFailure };
    const http = Deno.serve(options, (request) => this.handler(request));
    http.finished.catch((error) => this.#reopen(error));
    return http;
  }

  #reopen(error: unknown): void {
    if (this.#isClosed) return;
    logger.error("Port {port} cannot be listened on: {error}; trying again", {
      port: this.#port,
      error: String(error),
    });
    this.#reopenLater();
  }

  #reopenLater(): void {
    setTimeout(() => {
      if (this.#isClosed) return;
      try {
        this.#http = this.#listen(this.#port);
      } catch {
        // Still none to be had, or the old listener is not gone yet.
        this.#reopenLater();
      }
    }, REOPEN_MS);
  }
}

/** Handlers do not throw; should one do so, its caller gets an answer and the operator a line. */
function answerFailure(error: unknown): Response {
  logger.error("A request failed unexpectedly: {error}", { error: String(error) });
  return new Response("internal error\n", { status: 500 });
}
