// How fast it goes: medians over the last frames, stage by stage.

/** How many frames the medians look back. */
const WINDOW = 90;
/** Milliseconds that the pace looks back, and the frames that it needs. */
const PACE = 3000;
const ENOUGH = 4;

/**
 * What is measured, in milliseconds: waiting for a frame; cropping it; the networks; what is done to their masks; Python
 * (in its own worker, beside drawing and the next network where it can); cropping the next frame ahead; waiting for
 * Python; drawing; waiting until a still picture is shown; from taking the frame to drawing it; and of the engine's time
 * for a frame, all but networks and drawing.
 */
/** @typedef {"wait" | "crop" | "network" | "mask" | "python" | "ahead" | "journey" | "draw" | "present"
 *   | "total" | "overhead"} Stage */

export class Stats {
  /** @type {Map<Stage, number[]>} */
  #stages = new Map();
  /** @type {number[]} */
  #ends = [];
  /** @type {{at: number, ms: number}[]} */
  #totals = [];
  out = 0;

  /** @param {Stage} stage @param {number} ms */
  add(stage, ms) {
    let values = this.#stages.get(stage);
    if (!values) this.#stages.set(stage, (values = []));
    if (stage === "total") this.#totals.push({ at: performance.now(), ms });
    values.push(ms);
    if (values.length > WINDOW) values.shift();
  }

  /** A frame was drawn. */
  frame() {
    this.out++;
    this.#ends.push(performance.now());
    if (this.#ends.length > WINDOW) this.#ends.shift();
  }

  /** Frames a second over the last frames; 0 before two were drawn or when the last is over two seconds old. */
  get fps() {
    const n = this.#ends.length - 1;
    if (n < 1 || performance.now() - this.#ends[n] > 2000) return 0;
    return (1000 * n) / (this.#ends[n] - this.#ends[0]);
  }

  /** Median milliseconds of each stage. */
  get latency() {
    /** @type {Record<string, number>} */
    const medians = {};
    for (const [stage, values] of this.#stages) {
      medians[stage] = median(values);
    }
    return medians;
  }

  /** Median milliseconds of a whole frame over the last seconds; null where there were too few. */
  get pace() {
    const now = performance.now();
    this.#totals = this.#totals.filter(({ at }) => now - at < PACE);
    return this.#totals.length < ENOUGH ? null : median(this.#totals.map(({ ms }) => ms));
  }
}

/** @param {number[]} values */
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
