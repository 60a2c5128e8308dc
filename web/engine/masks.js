// Masks where they lie: activation, temporal smoothing, what of them counts, and reading them back.
import { after, fromFrame, toFrame } from "./region.js";

/** How many masks stay readable. */
const RING = 16;

/** A cell surer than this is left as it is: the blend would move it by less than 0.0006. */
const SURE = 1e-3;

/** How uncertain a probability p is, as a polynomial in (p - 0.5)². ref: pysrc/bodylens/smoothing.py */
const UNCERTAINTY = [5.68842, -0.748699, -57.8051, 291.309, -624.717];

/**
 * @typedef {{output: string, meaning: string, activation: string, late: boolean, threshold: number, smoothing: number,
 *   stream: number, refineSteps: number}} Keep as pysrc/bodylens/pipeline.py describes it
 * @typedef {{data: Float32Array, width: number, height: number, region: import("./region.js").Region, keep: Keep,
 *   stride: number}} Mask one plane of height × width, or for parts and long offsets several, one below the other; of
 *   a late mask the data are logits
 */

/** The last smoothed mask of each stream: one estimator's own. @typedef {Map<string, Mask>} Streams */

export class Masks {
  /** @type {Map<number, Mask>} */
  #ring = new Map();
  #made = 0;

  /**
   * Keeps a network's output as a mask.
   * @param {Omit<Mask, "keep">} output whose data become the mask's own
   * @param {Keep} wish
   * @param {Streams} streams what the same estimator has kept before
   * @param {string} model whose output it is: each has streams of its own
   * @returns {number[]} handle, width, height, count, score, left, top, right, bottom; as browser.py reads them
   */
  keep(output, wish, streams, model) {
    const { data, width, height } = output;
    // What is blended with an earlier mask is blended as probabilities.
    const late = wish.late && wish.activation === "sigmoid" && !wish.smoothing;
    const keep = { ...wish, late };
    const whole = keep.meaning === "person";
    if (whole && keep.activation === "sigmoid" && !late)
      for (let i = 0; i < data.length; i++) data[i] = sigmoid(data[i]);
    const mask = { ...output, keep };
    if (keep.smoothing) {
      const stream = `${model}/${keep.stream}`;
      const before = streams.get(stream);
      if (before) blend(moved(before, mask), data, keep.smoothing);
      streams.set(stream, mask);
    }
    const handle = ++this.#made;
    this.#ring.set(handle, mask);
    this.#ring.delete(handle - RING);
    if (!whole) return [handle, width, height, 0, 0, 0, 0, 0, 0];
    if (!late) return [handle, width, height, ...summarise(data, width, height, keep.threshold)];
    return [handle, width, height, ...summarise(data.map(sigmoid), width, height, keep.threshold)];
  }

  /** @param {number} handle @returns {Mask | undefined} */
  get(handle) {
    return this.#ring.get(handle);
  }
}

/** @param {number} x */
const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/**
 * Blends `now` in place with what it was, weighted by its own uncertainty. ref: pysrc/bodylens/smoothing.py
 * @param {Float32Array} before @param {Float32Array} now @param {number} ratio
 */
export function blend(before, now, ratio) {
  const [c1, c2, c3, c4, c5] = UNCERTAINTY;
  for (let i = 0; i < now.length; i++) {
    const p = now[i];
    if (p < SURE || p > 1 - SURE) continue;
    const t = p - 0.5;
    const x = t * t;
    const fit = x * (c1 + x * (c2 + x * (c3 + x * (c4 + x * c5))));
    if (fit < 1) now[i] = p + (before[i] - p) * (1 - fit) * ratio;
  }
}

/**
 * What of a mask counts.
 * @param {Float32Array} data @param {number} width @param {number} height @param {number} threshold
 * @returns {[number, number, number, number, number, number]} count, mean score, left, top, right, bottom
 */
export function summarise(data, width, height, threshold) {
  let [count, sum, left, top, right, bottom] = [0, 0, width, height, 0, 0];
  for (let y = 0, i = 0; y < height; y++) {
    const before = count;
    for (let x = 0; x < width; x++, i++) {
      const value = data[i];
      if (value >= threshold) {
        count++;
        sum += value;
        if (x < left) left = x;
        if (x >= right) right = x + 1;
      }
    }
    if (count > before) {
      if (y < top) top = y;
      bottom = y + 1;
    }
  }
  return count ? [count, sum / count, left, top, right, bottom] : [0, 0, 0, 0, 0, 0];
}

/**
 * Lays a mask over a grid, bilinearly; 0 outside its region.
 * @param {{data: Float32Array, width: number, height: number}} mask
 * @param {number} width of the grid @param {number} height
 * @param {import("./region.js").Affine} place takes the grid's unit coordinates to those of the mask's region
 * @returns {Float32Array}
 */
function sample({ data, width: w, height: h }, width, height, [a, c, e, b, d, f]) {
  const out = new Float32Array(width * height);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const s = (x + 0.5) / width;
      const t = (y + 0.5) / height;
      const u = a * s + c * t + e;
      const v = b * s + d * t + f;
      if (u < 0 || v < 0 || u > 1 || v > 1) continue;
      const at = Math.min(Math.max(u * w - 0.5, 0), w - 1);
      const down = Math.min(Math.max(v * h - 0.5, 0), h - 1);
      const left = Math.floor(at);
      const top = Math.floor(down);
      const right = at > left ? 1 : 0;
      const below = down > top ? w : 0;
      const j = top * w + left;
      const upper = data[j] + (data[j + right] - data[j]) * (at - left);
      const lower = data[j + below] + (data[j + below + right] - data[j + below]) * (at - left);
      out[i] = upper + (lower - upper) * (down - top);
    }
  }
  return out;
}

/** What is added to logits, so that the 0 outside a mask means the surest no. */
const SUREST = 80;

/**
 * The probabilities of a mask over a frame, or over a rectangle of it.
 * @param {Mask} mask
 * @param {import("./region.js").Region} region where it lies, as Python has it
 * @param {number} frameWidth @param {number} frameHeight pixels of the frame, or of the rectangle
 * @param {number} width of the result @param {number} height
 * @param {number} [left] where the rectangle begins @param {number} [top]
 */
export function lay(mask, region, frameWidth, frameHeight, width, height, left = 0, top = 0) {
  const place = after(fromFrame(region), [frameWidth, 0, left, 0, frameHeight, top]);
  if (!mask.keep.late) return sample(mask, width, height, place);
  const above = mask.data.map((logit) => Math.min(Math.max(logit, -SUREST), SUREST) + SUREST);
  return sample({ ...mask, data: above }, width, height, place).map((value) => sigmoid(value - SUREST));
}

/** Cells of a mask of several people: by the frame's longest side alone, so that its size stays, and about as fine as theirs. */
const UNITED = { aPixel: 0.5, least: 256, most: 640 };

/**
 * One mask of several people's, over the whole frame: each cell takes the surest.
 * @param {{mask: Mask, region: import("./region.js").Region}[]} masks and where they lie
 * @param {number} frameWidth @param {number} frameHeight pixels
 */
export function unite(masks, frameWidth, frameHeight) {
  const longest = Math.max(frameWidth, frameHeight);
  const cells = Math.min(Math.max(UNITED.aPixel * longest, UNITED.least), UNITED.most);
  const [width, height] = [frameWidth, frameHeight].map((side) => Math.max(1, Math.round((cells * side) / longest)));
  const data = new Float32Array(width * height);
  for (const { mask, region } of masks) {
    const [a, c, e, b, d, f] = toFrame(region);
    const [left, right] = span([e, e + a, e + c, e + a + c], width / frameWidth, width);
    const [top, bottom] = span([f, f + b, f + d, f + b + d], height / frameHeight, height);
    if (left >= right || top >= bottom) continue;
    const [w, h] = [right - left, bottom - top];
    const [px, py] = [frameWidth / width, frameHeight / height];
    const laid = lay(mask, region, w * px, h * py, w, h, left * px, top * py);
    for (let y = 0, i = 0; y < h; y++) {
      for (let x = 0, at = (top + y) * width + left; x < w; x++, i++, at++) {
        if (laid[i] > data[at]) data[at] = laid[i];
      }
    }
  }
  /** @type {import("./region.js").Region} */
  const region = [frameWidth / 2, frameHeight / 2, frameWidth, frameHeight, 0];
  return { data, width, height, region, late: false };
}

/** The cells that places touch, from the first to behind the last. @param {number[]} places @param {number} scale @param {number} count */
const span = (places, scale, count) => [
  Math.max(0, Math.floor(Math.min(...places) * scale)),
  Math.min(count, Math.ceil(Math.max(...places) * scale)),
];

/**
 * What a mask was, where another lies now.
 * @param {Mask} was @param {Mask} now
 */
function moved(was, now) {
  const same = was.width === now.width && was.height === now.height;
  if (same && was.region.every((value, i) => value === now.region[i])) return was.data;
  return sample(was, now.width, now.height, after(fromFrame(was.region), toFrame(now.region)));
}
