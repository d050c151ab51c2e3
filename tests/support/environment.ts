/**
 * The environment in which a user's shell starts programs: without the variables by which the machine that
 * runs the tests switches colours off or on, because programs that look at them need not ask for leave then.
 *
 * @module
 */

const COLOUR = /^(NO_COLOR|FORCE_COLOR|CLICOLOR|CLICOLOR_FORCE|COLORTERM)$/;

/** This process's variables but those about colours. */
export function withoutColours(): Record<string, string> {
  return Object.fromEntries(Object.entries(Deno.env.toObject()).filter(([name]) => !COLOUR.test(name)));
}
