/**
 * TCP by hand, for clients that do not keep to any protocol.
 *
 * @module
 */

const ANSWER_BYTES_MAX = 64 * 1024;
const AT_A_TIME = 250;

/** Opens `count` connections to `port` of this machine. */
export function openMany(port: number, count: number): Promise<Deno.TcpConn[]> {
  return Promise.all(Array.from({ length: count }, () => Deno.connect({ hostname: "127.0.0.1", port })));
}

/**
 * The same for many thousands, some hundreds at a time, so that none waits for the system to try again. Those
 * that are refused are left out.
 */
export async function openCrowd(port: number, count: number): Promise<Deno.TcpConn[]> {
  const crowd: Deno.TcpConn[] = [];
  for (let tried = 0; tried < count; tried += AT_A_TIME) {
    crowd.push(...await tryOpenMany(port, Math.min(AT_A_TIME, count - tried)));
  }
  return crowd;
}

/** How many descriptors this program may have, as Linux says. */
export function descriptorLimit(): number {
  const limits = Deno.readTextFileSync("/proc/self/limits");
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 1_024);
}

/** The same, but those that are refused are left out. */
export async function tryOpenMany(port: number, count: number): Promise<Deno.TcpConn[]> {
  const tries = Array.from({ length: count }, () => Deno.connect({ hostname: "127.0.0.1", port }));
  const settled = await Promise.allSettled(tries);
  return settled.flatMap((each) => each.status === "fulfilled" ? [each.value] : []);
}

/** Closes connections in any state. */
export function closeAll(connections: readonly Deno.TcpConn[]): void {
  for (const connection of connections) closeQuietly(connection);
}

function closeQuietly(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // The runtime has closed it, because the other side did.
  }
}

/** Writes all of `bytes`; `false` when the other side does not take them any more. */
export async function tryWrite(connection: Deno.TcpConn, bytes: Uint8Array): Promise<boolean> {
  try {
    for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
    return true;
  } catch {
    return false;
  }
}

/** What is said, and how long nothing may come before all is taken for said. */
export interface RawExchange {
  readonly bytes: Uint8Array;
  readonly quietMs: number;
}

/**
 * What `port` answers to `bytes` until it closes the connection or says nothing more for `quietMs`; then it
 * is closed.
 */
export async function exchange(port: number, { bytes, quietMs }: RawExchange): Promise<string> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  try {
    // Both at once: a node that refuses answers before it has been told everything.
    const written = tryWrite(connection, bytes);
    const answer = await readUntilQuiet(connection, quietMs);
    await orSilence(written, quietMs);
    return answer;
  } finally {
    closeQuietly(connection);
  }
}

/** As latin-1, so that every byte is a character. */
async function readUntilQuiet(connection: Deno.TcpConn, quietMs: number): Promise<string> {
  const buffer = new Uint8Array(ANSWER_BYTES_MAX);
  let answer = "";
  for (;;) {
    const length = await orSilence(connection.read(buffer).catch(() => null), quietMs);
    if (length === null || answer.length > ANSWER_BYTES_MAX) return answer;
    answer += String.fromCharCode(...buffer.subarray(0, length));
  }
}

/** What `pending` comes to, or `null` after `quietMs`. */
async function orSilence<Value>(pending: Promise<Value>, quietMs: number): Promise<Value | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const quiet = new Promise<null>((resolve) => timer = setTimeout(() => resolve(null), quietMs));
  try {
    return await Promise.race([pending, quiet]);
  } finally {
    clearTimeout(timer);
  }
}

/** The bytes of `text`, which is ASCII. */
export function ascii(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}
