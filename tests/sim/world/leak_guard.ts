/**
 * Keeps the real world out of a run: while the guard is up, asking the machine for time, timers or chance is
 * an error that names what was asked. Without it a forgotten `Date.now()` would show only as a seed that does
 * not replay.
 *
 * @module
 */

/** Something of the machine reached into the simulation. */
export class LeakError extends Error {
  override readonly name = "LeakError";
}

const FORBIDDEN: readonly (readonly [object: object, name: string])[] = [
  [globalThis, "setTimeout"],
  [globalThis, "setInterval"],
  [globalThis, "fetch"],
  [Date, "now"],
  [performance, "now"],
  [Math, "random"],
  [crypto, "getRandomValues"],
  [crypto, "randomUUID"],
  [crypto.subtle, "digest"],
];

/** Puts the guard up; what it returns takes it down. */
export function guardAgainstLeaks(onLeak: (error: LeakError) => void): () => void {
  const before = FORBIDDEN.map(([object, name]) => Object.getOwnPropertyDescriptor(object, name));
  for (const [object, name] of FORBIDDEN) {
    const refuse = () => {
      const error = new LeakError(`${name} of the machine was used within the simulation`);
      onLeak(error);
      throw error;
    };
    Object.defineProperty(object, name, { value: refuse, configurable: true, writable: true });
  }
  return () => {
    for (const [position, [object, name]] of FORBIDDEN.entries()) {
      const descriptor = before[position];
      if (descriptor === undefined) Reflect.deleteProperty(object, name);
      else Object.defineProperty(object, name, descriptor);
    }
  };
}
