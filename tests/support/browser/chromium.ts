/**
 * A Chromium without a window: the one that is installed on this machine, started with a profile of its own,
 * driven over its debugging port, and ended by its process id.
 *
 * @module
 */

import { type Browser, chromium, type Page } from "playwright-core";
import { forgetProcess, reapAtEnd } from "../cluster/reaper.ts";
import { PATIENCE_MS } from "../patience.ts";

const PROGRAMS = ["chromium", "chromium-browser", "google-chrome"];
const FLAGS = [
  "--headless=new",
  // Its sandbox cannot be had by root, who runs tests in containers; the pages are the tests' own.
  "--no-sandbox",
  "--disable-dev-shm-usage",
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--remote-debugging-port=0",
];
const DEBUGGER_URL = /DevTools listening on (ws:\/\/\S+)/;

/** The program, if there is one on PATH. */
export async function findChromium(): Promise<string | undefined> {
  for (const program of PROGRAMS) {
    try {
      const asked = new Deno.Command(program, { args: ["--version"], stdout: "null", stderr: "null" });
      if ((await asked.output()).success) return program;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return undefined;
}

/** See the module comment. */
export class Chromium {
  readonly #child: Deno.ChildProcess;
  readonly #ended: Promise<Deno.CommandStatus>;
  readonly #profile: string;
  #browser: Browser | undefined;

  private constructor(child: Deno.ChildProcess, profile: string) {
    this.#child = child;
    this.#profile = profile;
    this.#ended = child.status;
    reapAtEnd(child.pid);
  }

  /**
   * Starts `program` and connects to it.
   *
   * @param names host names that lead to 127.0.0.1, whatever the system says
   * @throws {Error} with what it said, when it does not come up
   */
  static async start(program: string, names: readonly string[] = []): Promise<Chromium> {
    const profile = await Deno.makeTempDir({ prefix: "prkdb-chromium-" });
    const rules = names.map((name) => `MAP ${name} 127.0.0.1`).join(", ");
    const args = [...FLAGS, `--user-data-dir=${profile}`, `--host-resolver-rules=${rules}`, "about:blank"];
    const child = new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "piped" }).spawn();
    const started = new Chromium(child, profile);
    try {
      const url = await within(debuggerUrl(child.stderr));
      started.#browser = await chromium.connectOverCDP(url, { timeout: PATIENCE_MS });
      return started;
    } catch (error) {
      await started.close();
      throw error;
    }
  }

  /** A page of its own at `url`, loaded. */
  async open(url: string): Promise<Page> {
    const page = await this.#browser!.contexts()[0]!.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    await page.goto(url);
    return page;
  }

  /** Ends the process and removes its profile. */
  async close(): Promise<void> {
    // What is left of it is ended all the same.
    await this.#browser?.close().catch(() => {});
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
    }
    await this.#ended;
    forgetProcess(this.#child.pid);
    await removeProfile(this.#profile);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** A browser that lives and says nothing is none. */
async function within(url: Promise<string>): Promise<string> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("Chromium does not say where it listens")), PATIENCE_MS);
  try {
    return await Promise.race([url, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** What it says goes on being read, so that it never waits for a reader. */
async function debuggerUrl(output: ReadableStream<Uint8Array>): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const read = async () => {
    const decoder = new TextDecoder();
    let said = "";
    let isFound = false;
    for await (const bytes of output) {
      if (isFound) continue;
      said += decoder.decode(bytes, { stream: true });
      const url = DEBUGGER_URL.exec(said)?.[1];
      if (url === undefined) continue;
      isFound = true;
      resolve(url);
    }
    reject(new Error(`Chromium ended before it could be driven: ${said}`));
  };
  read().catch(reject);
  return await promise;
}

/** Its helper processes may still write for a moment. */
async function removeProfile(folder: string): Promise<void> {
  const untilMs = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await Deno.remove(folder, { recursive: true });
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      if (performance.now() > untilMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
