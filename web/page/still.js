// A still picture as a source.
import { explain, identify, readBlob } from "./formats.js";
import { Problem } from "./problems.js";

/** Longest side that is kept: networks find small people in it, and it costs at most 64 MiB. */
const LONGEST = 4096;

/** What is decoded at most, pixels: some 400 MB. The same bound as natively. */
const MOST = 100e6;

/** @typedef {import("./decoder.js").Decoded} Decoded */

/** The worker that decodes. */
export class Decoder {
  #worker = new Worker(new URL("decoder.js", import.meta.url), { type: "module", name: "decoder" });
  /** @type {Map<number, {resolve: (answer: any) => void, reject: (error: Error) => void}>} */
  #asked = new Map();
  #asking = 0;

  constructor() {
    this.#worker.onmessage = ({ data }) => {
      const asked = this.#asked.get(data.id);
      this.#asked.delete(data.id);
      if (data.message === undefined) asked?.resolve(data);
      else asked?.reject(new Error(data.message));
    };
    this.#worker.onerror = ({ message }) => {
      for (const { reject } of this.#asked.values()) reject(new Error(message));
      this.#asked.clear();
    };
  }

  /** @param {{type: string, [key: string]: unknown}} message @returns {Promise<any>} */
  ask(message) {
    return new Promise((resolve, reject) => {
      this.#asked.set(++this.#asking, { resolve, reject });
      this.#worker.postMessage({ longest: LONGEST, ...message, id: this.#asking });
    });
  }

  close() {
    this.#worker.terminate();
  }
}

/**
 * Refuses what is too large, before it is decoded.
 * @param {import("./formats.js").Format} format
 */
export function bound({ width, height }) {
  const pixels = width * height;
  if (pixels <= MOST) return;
  const size = `${width} × ${height} pixels are ${Math.round(pixels / 1e6)} megapixels`;
  throw new Problem(
    "source-large",
    "",
    `${size}, and at most ${MOST / 1e6} are opened. Make it smaller, then open it again.`,
  );
}

/**
 * Decodes a picture off the main thread, no larger than needed.
 * @param {Blob} blob
 * @param {import("./formats.js").Format | null} [known] what it is
 * @param {number} [longest] side in pixels that is kept
 * @returns {Promise<Decoded>}
 */
export async function decode(blob, known = null, longest = LONGEST) {
  const format = known ?? (await identify(readBlob(blob)));
  bound(format);
  const decoder = new Decoder();
  try {
    const { bitmap, width, height } = await decoder.ask({ type: "decode", blob, longest });
    return { bitmap, width, height };
  } catch (error) {
    const why = blob.size ? explain(format) : "The file is empty. Open another copy of it.";
    throw new Problem("source-unreadable", error instanceof Error ? error.message : String(error), why);
  } finally {
    decoder.close();
  }
}

/** @implements {Source} */
export class Still {
  mirrored = false;
  moving = false;
  gone = false;

  /** @type {Decoded | null} */
  #decoded = null;

  /** @param {Blob} blob @param {string} name */
  constructor(blob, name) {
    this.blob = blob;
    this.name = name;
  }

  /** @param {Blob} blob @param {string} name @param {import("./formats.js").Format} [format] what it is */
  static async open(blob, name, format) {
    const still = new Still(blob, name);
    still.#decoded = await decode(blob, format);
    return still;
  }

  /** @param {import("./engine.js").Engine} engine */
  async attach(engine) {
    const decoded = this.#decoded ?? (await decode(this.blob)); // the first one went with the engine that had it
    this.#decoded = null;
    engine.send({ type: "source", source: { kind: "picture", ...decoded, loop: true } }, [decoded.bitmap]);
  }

  wanted() {}
  pause() {}

  close() {
    this.#decoded?.bitmap.close();
  }
}

/** @typedef {import("./source.js").Source} Source */
