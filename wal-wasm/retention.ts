/**
 * Which groups need which segments. A group needs every segment from the one it was last released at (at
 * first: the one with its oldest record) as long as a record of it lies there or later.
 *
 * @module
 */

interface Span {
  /** Records in older segments are not needed. */
  needed: number;
  /** The newest segment with a record of the group. Invariant: not below 1. */
  newest: number;
}

/** See the module comment. */
export class Retention {
  readonly #spans = new Map<number, Span>();

  /** Notes that `group` has a record in `segment`, which is not older than any noted before. */
  note(group: number, segment: number): void {
    const span = this.#spans.get(group);
    if (span === undefined) {
      this.#spans.set(group, { needed: segment, newest: segment });
    } else {
      span.newest = segment;
    }
  }

  /** Notes that `group` needs nothing in segments before `segment`. */
  release(group: number, segment: number): void {
    const span = this.#spans.get(group);
    if (span === undefined || segment <= span.needed) return;
    if (segment > span.newest) {
      this.#spans.delete(group);
    } else {
      span.needed = segment;
    }
  }

  /** The oldest segment any group needs, `otherwise` if none does. */
  oldest(otherwise: number): number {
    let oldest = otherwise;
    for (const span of this.#spans.values()) oldest = Math.min(oldest, span.needed);
    return oldest;
  }

  /** The groups that need a segment as old as `segment`, ascending. */
  groupsNeeding(segment: number): number[] {
    const groups: number[] = [];
    for (const [group, span] of this.#spans) {
      if (span.needed <= segment) groups.push(group);
    }
    return groups.sort((left, right) => left - right);
  }
}
