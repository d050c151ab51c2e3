/**
 * A program that is run with few file descriptors: it prints the address of a listener and serves until it
 * is killed. Asked for `/files`, it uses up all descriptors that are left, frees them after a while, and
 * answers.
 *
 * @module
 */

import { startHttp1 } from "../../server/http/h1/mod.ts";
import { TcpListener } from "../../server/http/mod.ts";
import { KnownContext, MIRROR_HANDLER, plain } from "./h1_fixture.ts";

/** Several of the rounds in which accepting is tried again. */
const HELD_MS = 350;

// The runtime sets its signals up when they are first needed, and panics if there is no descriptor then.
Deno.addSignalListener("SIGUSR2", () => {});

const context = new KnownContext();
const listener = new TcpListener({ hostname: "127.0.0.1", port: 0, context, http1: startHttp1 });
listener.router = {
  route: ({ target }) =>
    target === "/files"
      ? { ...MIRROR_HANDLER, answer: async () => plain(200, `${await holdFiles()} files`) }
      : MIRROR_HANDLER,
};
console.log(listener.address);

/** @returns how many there were */
async function holdFiles(): Promise<number> {
  const files: Deno.FsFile[] = [];
  try {
    for (;;) files.push(Deno.openSync("/dev/null"));
  } catch {
    await new Promise((resolve) => setTimeout(resolve, HELD_MS));
  }
  for (const file of files) file.close();
  return files.length;
}
