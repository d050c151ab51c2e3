/**
 * What a machine's processors did between two moments, as Linux counts it.
 *
 * @module
 */

/** The kernel counts processor time in ticks of a hundredth of a second (proc(5)). */
const TICKS_PER_SECOND = 100;
/** Fields of the first line of `/proc/stat` that are not work: idle, and waiting for a disk. */
const IDLE_FIELDS = new Set([3, 4]);

/** Processor time that a process has used, in seconds. */
export function processorSecondsOf(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // Behind the name, which may have spaces: state and so on; user and system time are the 12th and 13th.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** A moment from which on it is counted. */
export class Machine {
  readonly #startedMs = performance.now();
  readonly #busySeconds = busySeconds();
  readonly #ownSeconds = processorSecondsOf(Deno.pid);

  /**
   * Processors that neither this process nor the servers had since, on average: above a few hundredths
   * somebody else was at work.
   *
   * @param serverSeconds what all servers used meanwhile
   */
  othersShare(serverSeconds: number): number {
    const own = processorSecondsOf(Deno.pid) - this.#ownSeconds;
    const others = busySeconds() - this.#busySeconds - own - serverSeconds;
    return Math.max(0, others / ((performance.now() - this.#startedMs) / 1000));
  }
}

function busySeconds(): number {
  const [line = ""] = Deno.readTextFileSync("/proc/stat").split("\n");
  const fields = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const ticks = fields.reduce((sum, each, at) => IDLE_FIELDS.has(at) ? sum : sum + each, 0);
  return ticks / TICKS_PER_SECOND;
}
