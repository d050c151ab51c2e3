/**
 * Ends the processes that this program started when this program ends, however it does: also when it is
 * killed itself because it ran too long. A small shell holds the list; it notices the end because its input
 * is closed.
 *
 * @module
 */

/** Reads `+PID` and `-PID` lines; at the end of them it kills whatever was added and not taken back. */
const SCRIPT = `
pids=" "
while read -r line; do
  pid=\${line#?}
  case $line in
    +*) pids="$pids$pid " ;;
    -*) pids="\${pids%%" $pid "*} \${pids#*" $pid "}" ;;
  esac
done
for pid in $pids; do kill -KILL "$pid" 2>/dev/null; done
`;

let input: WritableStreamDefaultWriter<Uint8Array> | undefined;

/** Has the process `pid` killed when this program ends. */
export function reapAtEnd(pid: number): void {
  tell(`+${pid}\n`);
}

/** The process `pid` has ended by itself; its number may soon belong to another. */
export function forgetProcess(pid: number): void {
  tell(`-${pid}\n`);
}

function tell(line: string): void {
  input ??= startReaper();
  input.write(new TextEncoder().encode(line)).catch(() => {
    // The shell is gone, which happens only when this program is being ended together with it.
  });
}

function startReaper(): WritableStreamDefaultWriter<Uint8Array> {
  const child = new Deno.Command("sh", {
    args: ["-c", SCRIPT],
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  child.unref();
  return child.stdin.getWriter();
}
