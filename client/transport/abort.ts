/**
 * Waiting that a caller's `AbortSignal` ends. However many calls share a signal, it gets one listener from
 * here: to remove one of n listeners costs time that grows with n, so thousands of calls under one signal
 * would cost the square of their number.
 *
 * @module
 */

/** Everybody who waits for one signal, behind one listener. */
interface Watch {
  /** In the order in which it was asked for. */
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}

const watches = new WeakMap<AbortSignal, Watch>();

/** Calls `callback` once when `signal`, which has not fired yet, does; returns what takes that back. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const watch = watches.get(signal) ?? open(signal);
  // Wrapped, so that one callback can be asked for twice.
  const entry = () => callback();
  watch.callbacks.add(entry);
  return () => {
    if (watch.callbacks.delete(entry) && watch.callbacks.size === 0) close(signal, watch);
  };
}

/** `promise`, or a rejection with the reason of `signal` if it fires first. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise;
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    else stop = onAbort(signal, abort);
  });
  return await Promise.race([promise, aborted]).finally(stop);
}

function open(signal: AbortSignal): Watch {
  const callbacks = new Set<() => void>();
  const listener = () => {
    for (const callback of callbacks) callback();
  };
  const watch = { callbacks, listener };
  watches.set(signal, watch);
  signal.addEventListener("abort", listener, { once: true });
  return watch;
}

/** A listener that stays would keep a signal with a timer, and with it the process, alive. */
function close(signal: AbortSignal, { listener }: Watch): void {
  watches.delete(signal);
  signal.removeEventListener("abort", listener);
}
