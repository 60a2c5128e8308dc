// A still picture as a source.
import { Problem } from "./problems.js";

/** Longest side that is kept: more shows on no screen and costs memory. */
const LONGEST = 2048;

/**
 * Decodes a picture off the main thread, no larger than needed.
 * @param {Blob} blob
 * @returns {Promise<ImageBitmap>}
 */
export async function decode(blob) {
  const worker = new Worker(new URL("decoder.js", import.meta.url), { type: "module", name: "decoder" });
  try {
    return await new Promise((resolve, reject) => {
      worker.onmessage = ({ data: { bitmap, message } }) => (bitmap ? resolve(bitmap) : reject(new Error(message)));
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.postMessage({ blob, longest: LONGEST });
    });
  } catch (error) {
    throw new Problem("source-unreadable", error instanceof Error ? error.message : String(error));
  } finally {
    worker.terminate();
  }
}

/** @implements {Source} */
export class Still {
  mirrored = false;
  moving = false;
  gone = false;

  /** @type {ImageBitmap | null} */
  #decoded = null;

  /** @param {Blob} blob @param {string} name */
  constructor(blob, name) {
    this.blob = blob;
    this.name = name;
  }

  /** @param {Blob} blob @param {string} name */
  static async open(blob, name) {
    const still = new Still(blob, name);
    still.#decoded = await decode(blob);
    return still;
  }

  /** @param {import("./engine.js").Engine} engine */
  async attach(engine) {
    const bitmap = this.#decoded ?? (await decode(this.blob)); // the first one went with the engine that had it
    this.#decoded = null;
    engine.send({ type: "source", source: { kind: "picture", bitmap, loop: true } }, [bitmap]);
  }

  wanted() {}
  pause() {}

  close() {
    this.#decoded?.close();
  }
}

/** @typedef {import("./source.js").Source} Source */
