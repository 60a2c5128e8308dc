// A server that is gone: browsers say only that something could not be fetched.

/** The server does not answer; the message says what was wanted of it. */
export class Unreachable extends Error {}

/**
 * What a failed load means where no answer came at all: browsers throw a TypeError then, each with its own words.
 * @param {unknown} error of `fetch`, of reading its answer, or of `import`
 * @param {string} what was to be loaded
 * @returns {Unreachable | null} null where it failed for another reason
 */
export function unreachable(error, what) {
  if (error instanceof Unreachable) return error;
  if (!(error instanceof TypeError) || !/fetch|load|import|network|stream/i.test(error.message)) return null;
  return new Unreachable(
    `The server cannot be reached: ${what} could not be loaded. Start it or check the network, then try again.`,
  );
}

/**
 * As `work`, which loads something.
 * @template T
 * @param {string} what it loads @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function loading(what, work) {
  try {
    return await work();
  } catch (error) {
    throw unreachable(error, what) ?? error;
  }
}
