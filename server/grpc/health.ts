/**
 * `grpc.health.v1.Health`: whether calls through this node can succeed, as load balancers and orchestrators
 * ask it everywhere. It says what `/readyz` says, for the node as a whole (an empty name) and, alike, for
 * each service that it has: they are served by the same replicas.
 *
 * A node does not tell when it becomes ready or ceases to be, so a watch looks once a second, and all watches
 * share what was seen.
 *
 * Source: GRPC Health Checking Protocol.
 *
 * @module
 */

import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus as ServingStatus,
  HealthCheckResponseSchema,
} from "../../proto/mod.ts";
import { DomainError, type Readiness } from "../api/mod.ts";
import { decodeGenerated, type StreamMethod } from "../rpc/method/mod.ts";
import { type GrpcStream, serverStream } from "./stream_handler.ts";
import type { GrpcUnary } from "./unary_handler.ts";

/** How old what a watch sees may be. */
const HEALTH_POLL_MS = 1_000;
/** Callers that may watch one node at a time: balancers and their like. */
export const HEALTH_WATCHERS_MAX = 1_000;

type HealthAnswer = MessageInitShape<typeof HealthCheckResponseSchema>;

/** What health is made of. */
export interface HealthOptions {
  readonly readiness: () => Readiness;
  /** Full names of the services that the node has. */
  readonly services: readonly string[];
  /** Milliseconds between two looks of a watch; a second unless given. */
  readonly pollMs?: number | undefined;
}

/** The two methods of the service. */
export interface HealthMethods {
  readonly check: GrpcUnary;
  readonly watch: GrpcStream;
}

/** The service, for one node. */
export function healthMethods(options: HealthOptions): HealthMethods {
  const node = new NodeHealth(options);
  const watch = healthWatch(node, options.pollMs ?? HEALTH_POLL_MS);
  return {
    check: {
      name: "HealthCheck",
      path: `/${Health.typeName}/${Health.method.check.name}`,
      answerBytes: (bytes) => Promise.resolve().then(() => answerCheck(node, bytes)),
    },
    watch: { ...serverStream(watch), name: "HealthWatch" },
  };
}

/** How the node is, and which services it has. */
class NodeHealth {
  readonly #options: HealthOptions;
  readonly #services: ReadonlySet<string>;
  #seen: boolean | undefined;
  #seenAtMs = -Infinity;

  constructor(options: HealthOptions) {
    this.#options = options;
    this.#services = new Set(["", ...options.services]);
  }

  /** `undefined` for a service that the node does not have. */
  status(service: string): ServingStatus | undefined {
    return this.#services.has(service) ? statusFor(this.#options.readiness().isReady) : undefined;
  }

  /** The same, as it was at most `ageMs` milliseconds ago. */
  recentStatus(service: string, ageMs: number): ServingStatus | undefined {
    if (!this.#services.has(service)) return undefined;
    const nowMs = performance.now();
    if (this.#seen === undefined || nowMs - this.#seenAtMs >= ageMs) {
      this.#seen = this.#options.readiness().isReady;
      this.#seenAtMs = nowMs;
    }
    return statusFor(this.#seen);
  }
}

function statusFor(isReady: boolean): ServingStatus {
  return isReady ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
}

function answerCheck(node: NodeHealth, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { service } = decodeGenerated(HealthCheckRequestSchema, bytes);
  const status = node.status(service);
  if (status === undefined) {
    throw new ConnectError(
      `Cannot check "${service}": this node has no such service: leave the name empty for the whole node`,
      Code.NotFound,
    );
  }
  return toBinary(HealthCheckResponseSchema, create(HealthCheckResponseSchema, { status }));
}

function healthWatch(node: NodeHealth, pollMs: number): StreamMethod {
  let watchers = 0;
  return {
    desc: Health.method.watch,
    answerMessages: async function* (input, signal) {
      if (watchers >= HEALTH_WATCHERS_MAX) throw tooManyWatchers();
      watchers++;
      try {
        const { service } = input as MessageInitShape<typeof HealthCheckRequestSchema>;
        yield* news(() => node.recentStatus(service ?? "", pollMs), { signal, pollMs });
      } finally {
        watchers--;
      }
    },
  };
}

interface LookOptions {
  readonly signal: AbortSignal;
  readonly pollMs: number;
}

/** How it is, and then each change. */
async function* news(
  look: () => ServingStatus | undefined,
  { signal, pollMs }: LookOptions,
): AsyncGenerator<HealthAnswer, void> {
  let told: ServingStatus | undefined;
  while (!signal.aborted) {
    const status = look() ?? ServingStatus.SERVICE_UNKNOWN;
    if (status !== told) yield { status };
    told = status;
    await passed(pollMs, signal);
  }
}

/** Resolves when the time has passed or `signal` fires. */
function passed(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}

function tooManyWatchers(): DomainError {
  return new DomainError(
    { kind: "overloaded" },
    `Cannot watch the health: ${HEALTH_WATCHERS_MAX} callers watch this node already, which is the limit ` +
      "(HEALTH_WATCHERS_MAX): call Check from time to time",
    "watchers_full",
  );
}
