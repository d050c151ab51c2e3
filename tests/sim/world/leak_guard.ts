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

/** Whether some run has put the guard up and not taken it down. */
let isUp = false;

/**
 * Puts the guard up; what it returns takes it down.
 *
 * @throws {Error} when it is up: two runs cannot share a process, as neither knew which of them had leaked
 */
export function guardAgainstLeaks(onLeak: (error: LeakError) => void): () => void {
  if (isUp) throw new Error("Cannot begin a run: another one in this process has not ended");
  isUp = true;
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
    isUp = false;
    for (const [position, [object, name]] of FORBIDDEN.entries()) {
      const descriptor = before[position];
      if (descriptor === undefined) Reflect.deleteProperty(object, name);
      else Object.defineProperty(object, name, descriptor);
    }
  };
}
