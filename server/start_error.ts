/**
 * Why a node does not start, in one line for whoever started it: what was tried, what is wrong, what to do
 * next.
 *
 * @module
 */

import type { ServerConfig } from "./config/mod.ts";
import { explainFileError } from "./data/mod.ts";
import { ListenError } from "./listening.ts";

/** See the module comment. */
export function startErrorText(error: unknown, config: ServerConfig): string {
  return listenProblem(error, config) ?? explainFileError(error, config.dataDirectory)?.message ??
    (error instanceof Error ? error.message : String(error));
}

/** What is wrong with a port, and which one it is. */
function listenProblem(error: unknown, { host, port, metricsPort }: ServerConfig): string | undefined {
  if (!(error instanceof ListenError)) return undefined;
  const { cause } = error;
  const place = `${host}:${error.port} (${error.port === port ? "--grpc-port" : "--metrics-port"})`;
  if (cause instanceof Deno.errors.AddrInUse) {
    return port === metricsPort
      ? `cannot listen: --grpc-port and --metrics-port are both ${port}; name two different ports`
      : `cannot listen: ${place} is taken; stop what uses it, or name another port`;
  }
  if (cause instanceof Deno.errors.AddrNotAvailable) {
    return `cannot listen: this machine has no address ${host}; name one of its own with --host, and where ` +
      "others reach it with --advertise";
  }
  if (error.message.startsWith("failed to lookup address information")) {
    return `cannot listen: the name ${host} is not known here; name an address of this machine with --host`;
  }
  if (cause instanceof Deno.errors.PermissionDenied) {
    return `cannot listen: this user may not take ${place}; name a port from 1024 on`;
  }
  return undefined;
}
