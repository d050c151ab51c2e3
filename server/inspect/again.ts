/**
 * Looking at files that somebody may be changing: what fails is tried again, since the next moment is another
 * one, and what does not change is true.
 *
 * @module
 */

/** Looks until something is taken to be as it is. */
const LOOKS_MAX = 4;
const PAUSE_MS = 50;

/** What came of a look: what was found, or why nothing could be. */
export type Looked<T> =
  | { readonly found: T; readonly problem?: undefined }
  | { readonly found?: undefined; readonly problem: string };

/**
 * Looks again while it fails, or while what is found is doubtful and another than before.
 *
 * @param doubtOf what may be wrong, or only be changing; empty when nothing is
 */
export async function lookAgain<T>(
  look: () => Promise<T>,
  doubtOf: (found: T) => string,
): Promise<Looked<T>> {
  let before: string | undefined;
  for (let looks = 1;; looks++) {
    const looked = await lookOnce(look);
    const doubt = looked.problem ?? doubtOf(looked.found);
    if (doubt === "" || doubt === before || looks === LOOKS_MAX) return looked;
    before = doubt;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

async function lookOnce<T>(look: () => Promise<T>): Promise<Looked<T>> {
  try {
    return { found: await look() };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}
