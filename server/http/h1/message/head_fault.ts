/**
 * Why a head is refused. After any of these the connection closes: where the next request would begin cannot
 * be known for certain any more.
 *
 * @module
 */

/** A refusal, made before any handler was chosen. */
export interface HeadFault {
  readonly kind: "fault";
  readonly status: 400 | 417 | 431 | 501 | 505;
  /** What was wanted and what was found, for the person at the other end. */
  readonly reason: string;
}

/** Fields that a head may have. */
export const FIELDS_MAX = 200;

/** A refusal with status 400. */
export function badRequest(reason: string): HeadFault {
  return { kind: "fault", status: 400, reason: `Cannot read the request: ${reason}` };
}

/** A refusal with status 501. */
export function notImplemented(reason: string): HeadFault {
  return { kind: "fault", status: 501, reason: `Cannot serve the request: ${reason}` };
}

/** The head has more bytes than `limitBytes`. */
export function headTooLarge(limitBytes: number): HeadFault {
  const reason =
    `Cannot read the request: its head may have ${limitBytes} bytes: send fewer or shorter fields`;
  return { kind: "fault", status: 431, reason };
}

/** The head has more fields than {@linkcode FIELDS_MAX}. */
export const TOO_MANY_FIELDS: HeadFault = {
  kind: "fault",
  status: 431,
  reason: `Cannot read the request: its head may have ${FIELDS_MAX} fields: send fewer`,
};

/** An expectation other than `100-continue`. */
export const UNKNOWN_EXPECTATION: HeadFault = {
  kind: "fault",
  status: 417,
  reason: "Cannot meet the expectation of the request: only 100-continue is known: send none",
};

/** A version that is not HTTP/1. */
export const UNKNOWN_VERSION: HeadFault = {
  kind: "fault",
  status: 505,
  reason: "Cannot serve this version of HTTP: it must be HTTP/1.1 or HTTP/1.0",
};
