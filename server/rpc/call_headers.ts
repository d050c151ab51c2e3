/**
 * What the headers of a Connect call say about how to serve it: its deadline, its route and its protocol
 * version. What is the same in every protocol is read by `method/call_target.ts`.
 *
 * Source: Connect protocol reference, "Unary-Request".
 *
 * @module
 */

import { type CallerPresence, invalidArgument, type NodeCallOptions } from "../api/mod.ts";
import { type CallHeaders, callOptions, isDirect } from "./method/mod.ts";

const TIMEOUT = /^\d{1,10}$/;
const PROTOCOL_VERSION = "1";

/**
 * Options of a Connect call.
 *
 * @throws {DomainError} `invalidArgument` for a deadline that is no number, `deadline` for one that has
 *   passed
 */
export function readCallOptions(headers: CallHeaders, caller: CallerPresence): NodeCallOptions {
  const timeout = headers.get("connect-timeout-ms");
  const direct = isDirect(headers);
  if (timeout === null) return callOptions({ timeoutMs: undefined, direct, caller });
  if (TIMEOUT.test(timeout)) return callOptions({ timeoutMs: Number(timeout), direct, caller });
  // The words of the Connect router, so that both paths say the same.
  throw invalidArgument(`protocol error: invalid connect timeout value: ${timeout}`);
}

/**
 * A caller that names no version is taken at its word that it speaks this one.
 *
 * @param parameter the parameter `connect` of a GET, empty if there is none
 * @throws {DomainError} `invalidArgument` for another version
 */
export function checkProtocolVersion(headers: CallHeaders, parameter = ""): void {
  const version = headers.get("connect-protocol-version");
  if (version !== null && version !== PROTOCOL_VERSION) {
    throw invalidArgument(
      `Cannot serve connect-protocol-version "${version}": it must be "${PROTOCOL_VERSION}"`,
    );
  }
  if (parameter !== "" && parameter !== `v${PROTOCOL_VERSION}`) {
    throw invalidArgument(
      `Cannot serve the parameter connect "${parameter}": it must be "v${PROTOCOL_VERSION}"`,
    );
  }
}
