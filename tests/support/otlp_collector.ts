/**
 * A collector of OpenTelemetry's protocol over HTTP, in JSON: takes what a process exports and keeps its
 * spans.
 *
 * Source: OTLP specification, "OTLP/HTTP", and `opentelemetry/proto/trace/v1/trace.proto`.
 *
 * @module
 */

/** A span as it was exported. */
export interface ExportedSpan {
  readonly traceId: string;
  /** Empty for the first of a trace. */
  readonly parentSpanId: string;
  readonly name: string;
  /** 2 for that of a server. */
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** 0 unset, 2 error. */
  readonly statusCode: number;
}

/** What of the protocol is read. */
interface TracesExport {
  readonly resourceSpans?: readonly {
    readonly scopeSpans: readonly {
      readonly spans: readonly (Omit<ExportedSpan, "attributes" | "statusCode"> & {
        readonly attributes: readonly {
          readonly key: string;
          readonly value: Readonly<Record<string, unknown>>;
        }[];
        readonly status: { readonly code: number };
      })[];
    }[];
  }[];
}

/** See the module comment. */
export class OtlpCollector {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  /** All that came, in order. */
  readonly spans: ExportedSpan[] = [];

  private constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      async (request) => await this.#take(request),
    );
  }

  /** Listens on a free port of this machine. */
  static open(): OtlpCollector {
    return new OtlpCollector();
  }

  /** What a process of the runtime needs to know to export here. */
  get environment(): Readonly<Record<string, string>> {
    return {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${this.#server.addr.port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_BSP_SCHEDULE_DELAY: "100",
      OTEL_TRACES_SAMPLER: "parentbased_always_on",
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #take(request: Request): Promise<Response> {
    const body = await request.json() as TracesExport;
    for (const { scopeSpans } of body.resourceSpans ?? []) {
      for (const { attributes, status, ...span } of scopeSpans.flatMap(({ spans }) => spans)) {
        const pairs = attributes.map(({ key, value }) => [key, Object.values(value)[0]]);
        this.spans.push({ ...span, attributes: Object.fromEntries(pairs), statusCode: status.code });
      }
    }
    return Response.json({});
  }
}
