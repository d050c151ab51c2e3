/**
 * What a caller says of its trace, in the fields `traceparent` and `tracestate`. What is malformed is as good
 * as missing: a call never fails for it, its span only begins a trace of its own.
 *
 * ```
 * traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
 *              version  trace (16 bytes)            parent (8)       flags: bit 0 = sampled
 * ```
 *
 * Source: W3C Trace Context, sections 3.2 (`traceparent`) and 3.3 (`tracestate`).
 *
 * @module
 */

import { createTraceState, type SpanContext, TraceFlags } from "@opentelemetry/api";
import type { HeaderFields } from "../mod.ts";

/** Ids of zeros only, digits in upper case and the version `ff` are forbidden. */
const TRACEPARENT =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
/** The one version whose form is known as a whole: it ends behind its flags. */
const KNOWN_VERSION = "00";

/** The span of the caller, `undefined` if it names none or not by the rules. */
export function readTraceContext(headers: HeaderFields): SpanContext | undefined {
  // Two fields are one with a comma here, which no rule lets through.
  const parts = TRACEPARENT.exec(headers.get("traceparent") ?? "");
  if (parts === null) return undefined;
  const [, version, traceId, spanId, flags, more] = parts;
  if (version === KNOWN_VERSION && more !== undefined) return undefined;
  const isSampled = (parseInt(flags!, 16) & TraceFlags.SAMPLED) !== 0;
  const state = headers.get("tracestate");
  return {
    traceId: traceId!,
    spanId: spanId!,
    // No other bit has a meaning that holds for all versions.
    traceFlags: isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
    isRemote: true,
    ...(state === null ? {} : { traceState: createTraceState(state) }),
  };
}
