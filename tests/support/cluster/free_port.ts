/**
 * Ports for processes under test: free when asked, and outside the range from which the system takes the
 * ports of outgoing connections. Inside that range a node that is down would soon find its port taken by
 * somebody's connection, or somebody who calls it would be connected with himself.
 *
 * @module
 */

const PORT_MIN = 20_000;
/** Linux hands out 32,768 and up; IANA's range, which others use, begins above that. */
const PORT_MAX = 32_000;
const TRIES_MAX = 1_000;

/** Given out already by this process; they may not be bound yet. */
const taken = new Set<number>();

/** `count` different ports of 127.0.0.1 that nobody listened on a moment ago. */
export function freePorts(count: number): number[] {
  return Array.from({ length: count }, freePort);
}

/**
 * One such port.
 *
 * @throws {Error} when a thousand tries found none
 */
export function freePort(): number {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    // Which port is drawn decides nothing that a test looks at, so it needs no seed.
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
    if (taken.has(port) || !isFree(port)) continue;
    taken.add(port);
    return port;
  }
  throw new Error(`Cannot find a free port from ${PORT_MIN} to ${PORT_MAX} in ${TRIES_MAX} tries`);
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch {
    return false;
  }
}
