// A still picture as a source.
import { Problem } from "./problems.js";

/** Longest side that is kept: more shows on no screen and costs memory. */
const LONGEST = 2048;

/**
 * Decodes a picture off the main thread, no larger than needed.
 * @param {Blob} blob
 */
export async function decode(blob) {
  /** @type {ImageBitmap} */
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
    const scale = LONGEST / Math.max(bitmap.width, bitmap.height);
    if (scale >= 1) return bitmap;
    const [resizeWidth, resizeHeight] = [Math.round(bitmap.width * scale), Math.round(bitmap.height * scale)];
    bitmap.close();
    // From the file again: that way the browser resizes where it decodes.
    return await createImageBitmap(blob, { resizeWidth, resizeHeight, resizeQuality: "high" });
  } catch (error) {
    throw new Problem("source-unreadable", error instanceof Error ? error.message : String(error));
  }
}

/** @implements {Source} */
export class Still {
  mirrored = false;
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
