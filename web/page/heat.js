// When a device gets hot it gets slow: decides from how long frames take when the camera must ask less of it.

/** What is asked of the camera, step by step: the share of its picture's sides, and frames a second. */
export const STEPS = [
  { share: 1, frameRate: 30 },
  { share: 0.75, frameRate: 20 },
  { share: 0.5, frameRate: 15 },
];

/** So many times slower than at its best a device counts as slow; less of it where the system says that it is critical. */
const SLOW = 1.6;
const SLOW_WHEN_CRITICAL = 1.3;
/** Frames that take less than this part of the time between two of them are no burden, however slow they became. */
const BURDEN = 0.4;
/** So many times slower than at its best a device counts as recovered. */
const RECOVERED = 1.2;
/** Milliseconds that slowness must last before a step down, and recovery before a step up. */
const LASTING = 10_000;
const RECOVERY = 30_000;
/** A step up that soon had to be taken back doubles the recovery that is asked for, up to this. */
const LONGEST = 480_000;
/** Milliseconds after a step in which what is measured still belongs to the step before. */
const SETTLING = 4_000;

/** @typedef {"nominal" | "fair" | "serious" | "critical"} Pressure as the Compute Pressure API has it */

export class Heat {
  /** The present step. */
  step = 0;
  /** The best time of each kind of work, step by step. @type {Map<string, number[]>} */
  #best = new Map();
  #work = "";
  /** @type {number | null} */
  #slowSince = null;
  /** @type {number | null} */
  #calmSince = null;
  #settled = 0;
  #recovery = RECOVERY;
  #steppedUp = -Infinity;

  /**
   * Hears how long frames take.
   * @param {number} now milliseconds
   * @param {number} ms that a whole frame took, the median over a few seconds
   * @param {string} work what was done, such as model, effect and number of people: other work takes another time
   * @param {Pressure} [pressure] what the system says of the processor
   * @returns {boolean} whether the step has changed
   */
  observe(now, ms, work, pressure = "nominal") {
    if (work !== this.#work) {
      this.#work = work;
      this.#slowSince = this.#calmSince = null;
      this.#settled = Math.max(this.#settled, now + SETTLING);
    }
    if (now < this.#settled) return false;
    const ratio = ms / this.#reference(ms);
    const limit = pressure === "critical" ? SLOW_WHEN_CRITICAL : SLOW;
    const slow = ratio >= limit && ms >= (BURDEN * 1000) / STEPS[this.step].frameRate;
    const calm = ratio <= RECOVERED && pressure !== "serious" && pressure !== "critical";
    this.#slowSince = slow ? (this.#slowSince ?? now) : null;
    this.#calmSince = calm ? (this.#calmSince ?? now) : null;
    if (this.#slowSince !== null && now - this.#slowSince >= LASTING && this.step < STEPS.length - 1) {
      const soon = now - this.#steppedUp < 2 * this.#recovery;
      this.#recovery = soon ? Math.min(2 * this.#recovery, LONGEST) : RECOVERY;
      return this.#change(this.step + 1, now);
    }
    if (this.#calmSince !== null && now - this.#calmSince >= this.#recovery && this.step > 0) {
      this.#steppedUp = now;
      return this.#change(this.step - 1, now);
    }
    return false;
  }

  /** Frames have paused: what was measured before no longer counts. @param {number} now milliseconds */
  rest(now) {
    this.#slowSince = this.#calmSince = null;
    this.#settled = now + SETTLING;
  }

  /**
   * The best time of this work: a cool device is never slower at less.
   * @param {number} ms of now
   */
  #reference(ms) {
    let best = this.#best.get(this.#work);
    if (!best) this.#best.set(this.#work, (best = STEPS.map(() => Infinity)));
    best[this.step] = Math.min(best[this.step], ms);
    return Math.min(...best.slice(0, this.step + 1));
  }

  /** @param {number} step @param {number} now */
  #change(step, now) {
    this.step = step;
    this.rest(now);
    return true;
  }
}
