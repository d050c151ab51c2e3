/**
 * What is counted with every call and every turn: how many there were, and how long they took. Feeding it is
 * a few additions; it becomes Prometheus' text when somebody reads it.
 *
 * @module
 */

/** What was counted of one method. */
interface MethodCounts {
  readonly byCode: Map<string, number>;
  readonly durations: BucketCounts;
}

/** See the module comment. */
export class CallCounts {
  readonly #bounds: readonly number[];
  readonly #methods = new Map<string, MethodCounts>();

  /** @param bounds upper bounds of the buckets of durations, in seconds, ascending */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
  }

  /** One call to `method` was answered with `code` after `seconds`. */
  observe(method: string, code: string, seconds: number): void {
    let counts = this.#methods.get(method);
    if (counts === undefined) {
      counts = { byCode: new Map(), durations: new BucketCounts(this.#bounds) };
      this.#methods.set(method, counts);
    }
    counts.byCode.set(code, (counts.byCode.get(code) ?? 0) + 1);
    counts.durations.observe(seconds);
  }

  /** `prkdb_requests_total` and `prkdb_request_duration_seconds` in Prometheus' text format. */
  render(): string {
    const lines = ["# HELP prkdb_requests_total Calls answered", "# TYPE prkdb_requests_total counter"];
    for (const [method, { byCode }] of this.#methods) {
      for (const [code, count] of byCode) {
        lines.push(`prkdb_requests_total{method="${method}",code="${code}"} ${count}`);
      }
    }
    const name = "prkdb_request_duration_seconds";
    describeHistogram(lines, name, "Time to answer a call");
    for (const [method, { durations }] of this.#methods) durations.show(lines, name, `method="${method}"`);
    return lines.join("\n") + "\n";
  }
}

/** A histogram of Prometheus: how many values are at most each bound. */
export class BucketCounts {
  readonly #bounds: readonly number[];
  /** Those above the bound before and up to this one; the last of all are above every bound. */
  readonly #counts: number[];
  #sum = 0;

  /** @param bounds ascending */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++;
    this.#counts[bucket]!++;
    this.#sum += value;
  }

  /** The whole metric, without labels. */
  render(name: string, help: string): string {
    const lines: string[] = [];
    describeHistogram(lines, name, help);
    this.show(lines, name, "");
    return lines.join("\n") + "\n";
  }

  /**
   * Adds the series of `name` to `lines`.
   *
   * @param labels as they stand in braces, empty for none
   */
  show(lines: string[], name: string, labels: string): void {
    const following = labels === "" ? "" : `,${labels}`;
    let total = 0;
    this.#bounds.forEach((bound, at) => {
      total += this.#counts[at]!;
      lines.push(`${name}_bucket{le="${bound}"${following}} ${total}`);
    });
    total += this.#counts.at(-1)!;
    const braces = labels === "" ? "" : `{${labels}}`;
    lines.push(`${name}_bucket{le="+Inf"${following}} ${total}`);
    lines.push(`${name}_sum${braces} ${this.#sum}`, `${name}_count${braces} ${total}`);
  }
}

function describeHistogram(lines: string[], name: string, help: string): void {
  lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} histogram`);
}
