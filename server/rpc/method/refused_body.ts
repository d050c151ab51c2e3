/**
 * Why a request is refused because of its body, whoever has read it.
 *
 * @module
 */

import { DomainError } from "../../api/mod.ts";
import type { BodyRefusal } from "../../http/mod.ts";
import { requestTooLarge } from "./gzip.ts";

/** @param announced the length that the request says it has, `null` if it says none */
export function bodyRefused(refusal: BodyRefusal, announced: string | null = null): DomainError {
  return REFUSALS[refusal](announced);
}

const REFUSALS: Readonly<Record<BodyRefusal, (announced: string | null) => DomainError>> = {
  tooLarge: (announced) =>
    requestTooLarge(announced === null ? "it has more bytes than it may" : `it has ${announced} bytes`),
  noRoom: () =>
    new DomainError(
      { kind: "overloaded" },
      "Cannot accept the request: requests that are arriving fill their share of memory (--memory-bytes): " +
        "try again later",
      "bodies_full",
    ),
  brokenOff: () =>
    new DomainError(
      { kind: "cancelled" },
      "Cannot read the request: its body broke off before its end: send it again",
    ),
};
