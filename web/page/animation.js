// An animated picture (GIF, WebP, PNG, AVIF) as a source: each frame for as long as the file says, over and over.
import { explain } from "./formats.js";
import { Problem } from "./problems.js";
import { bound, Decoder } from "./still.js";

/** A duration that browsers do not believe, and what they take for it, seconds. */
const [SHORT, INSTEAD] = [0.01, 0.1];
/** So far behind, milliseconds, the clock is reset: the tab was hidden, or all was busy. */
const BEHIND = 1000;

/** @typedef {import("./decoder.js").Decoded & {time: number, duration: number}} Shown seconds */

/** @implements {Source} */
export class Animation {
  mirrored = false;
  moving = true;
  gone = false;
  /** @type {import("./engine.js").Engine | null} */
  #engine = null;
  #wanted = false;
  /** The frame that is due, until the engine takes it. @type {Shown | null} */
  #fresh = null;
  #index = 0;
  /** Counts the times that it began to play: what an earlier one is at counts no more. */
  #playing = 0;

  /** @param {Decoder} decoder @param {number} frames @param {string} name @param {import("./source.js").On} on */
  constructor(decoder, frames, name, on) {
    this.decoder = decoder;
    this.frames = frames;
    this.name = name;
    this.on = on;
  }

  /**
   * @param {Blob} blob @param {string} name
   * @param {import("./formats.js").Format} format
   * @param {import("./source.js").On} on what is heard of it once it is open
   * @returns {Promise<Animation | null>} null where it holds a single frame
   */
  static async open(blob, name, format, on) {
    bound(format);
    const decoder = new Decoder();
    try {
      const { frames } = await decoder.ask({ type: "open", blob, mime: format.animation });
      if (frames > 1) return new Animation(decoder, frames, name, on);
    } catch (error) {
      decoder.close();
      throw new Problem("source-unreadable", error instanceof Error ? error.message : String(error), explain(format));
    }
    decoder.close();
    return null;
  }

  /** @param {import("./engine.js").Engine} engine */
  async attach(engine) {
    this.#engine = engine;
    this.#wanted = false;
    engine.send({ type: "source", source: { kind: "pushed" } });
    this.pause(false);
  }

  wanted() {
    this.#wanted = true;
    this.#push();
  }

  /** @param {boolean} paused */
  pause(paused) {
    const playing = ++this.#playing;
    if (!paused) void this.#play(playing);
  }

  close() {
    this.#playing++;
    this.decoder.close();
    this.#fresh?.bitmap.close();
    this.#fresh = null;
  }

  /** @param {number} playing */
  async #play(playing) {
    let due = performance.now();
    for (;;) {
      const index = this.#index;
      /** @type {Shown} */
      let shown;
      try {
        shown = await this.decoder.ask({ type: "frame", index });
      } catch (error) {
        const detail = error instanceof Error ? error.message : String(error);
        const where = `The animation is damaged: frame ${index + 1} of ${this.frames} cannot be decoded.`;
        if (playing === this.#playing) this.on.ended("source-unreadable", detail, `${where} Open another copy of it.`);
        return;
      }
      const now = performance.now();
      if (now > due + BEHIND) due = now;
      if (due > now) await new Promise((resolve) => setTimeout(resolve, due - now));
      if (playing !== this.#playing) {
        shown.bitmap.close();
        return;
      }
      this.#fresh?.bitmap.close(); // the engine was too slow for it
      this.#fresh = shown;
      this.#push();
      due += 1000 * (shown.duration > SHORT ? shown.duration : INSTEAD);
      this.#index = (index + 1) % this.frames;
    }
  }

  #push() {
    if (!this.#wanted || !this.#fresh) return;
    const { bitmap: frame, time, width, height } = this.#fresh;
    const size = { width, height };
    this.#fresh = null;
    this.#wanted = false;
    this.#engine?.send({ type: "frame", frame, time, size }, [frame]);
  }
}

/** @typedef {import("./source.js").Source} Source */
