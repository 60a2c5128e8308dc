// From a region of a frame to a network's input, on the CPU: for wasm and WebGL, whose tensors lie there.
import { fromFrame, toFrame } from "./region.js";

/** @typedef {{width: number, height: number, low: number, high: number,
 *   border?: "zero" | "replicate", sampler?: "bilinear" | "average"}} Input `border`: what a region shows where it leaves
 *   the frame; `sampler`: one bilinear sample for each pixel, or the mean of as many as the scale asks for */

/**
 * Samples that the sampler "average" takes along either side of a pixel, at most.
 * ref: pysrc/bodylens/native/crop.py, which does the same
 */
const MOST_SAMPLES = 2;

/** Crops to one size and value range; its canvas and its array are made once. */
export class Crop {
  /** @param {Input} input */
  constructor({ width, height, low, high, border = "zero", sampler = "average" }) {
    this.width = width;
    this.height = height;
    this.canvas = new OffscreenCanvas(width, height);
    const context = this.canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    if (!context) throw new Error("This browser gives no 2D canvas in workers, which reading camera frames needs.");
    this.context = context;
    /** The bitmap and the region that the planes hold. @type {{image: ImageBitmap, region: number[]} | null} */
    this.taken = null;
    /** The input: planes of red, green and blue. */
    this.planes = new Float32Array(3 * width * height);
    this.low = low;
    this.repeats = border === "replicate";
    this.averages = sampler === "average";
    this.scale = (high - low) / 255;
  }

  /**
   * Samples a region, pixel centre to pixel centre.
   * @param {VideoFrame | ImageBitmap} image
   * @param {number} frameWidth pixels, as displayed
   * @param {number} frameHeight
   * @param {import("./region.js").Region} region
   * @returns {Float32Array} 3 × height × width; the same array every time
   */
  take(image, frameWidth, frameHeight, region) {
    // A bitmap never changes: what was cropped from it holds.
    const { taken } = this;
    if (taken?.image === image && taken.region.every((value, i) => value === region[i])) return this.planes;
    this.taken = image instanceof ImageBitmap ? { image, region } : null;
    const { canvas, context } = this;
    const scale = Math.max(region[2] / this.width, region[3] / this.height);
    // Browsers draw video frames at less than half their size from averages: of three samples the middle one is bilinear.
    const exact = scale > 2 && !(image instanceof ImageBitmap) ? 3 : 1;
    const samples = this.averages ? Math.min(Math.max(Math.floor(scale + 0.5), 1), MOST_SAMPLES) : exact;
    const [width, height] = [this.width * samples, this.height * samples];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    // Bilinear, whatever the scale.
    context.imageSmoothingQuality = "low";
    const [a, c, e, b, d, f] = fromFrame(region);
    const whole = region[4] === 0 && e === 0 && f === 0 && a * frameWidth === 1 && d * frameHeight === 1;
    if (!whole) {
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.fillRect(0, 0, width, height);
    }
    context.setTransform(a * width, b * height, c * width, d * height, e * width, f * height);
    if (this.repeats && !whole) this.#rim(image, frameWidth, frameHeight, region, scale / samples);
    context.drawImage(image, 0, 0, frameWidth, frameHeight);
    this.#read(new Uint32Array(context.getImageData(0, 0, width, height).data.buffer), samples);
    return this.planes;
  }

  /**
   * Takes samples apart into planes: of the `samples` × `samples` of each pixel of the input the mean, or the middle one.
   * @param {Uint32Array} pixels little-endian: alpha, blue, green, red from high to low
   * @param {number} samples
   */
  #read(pixels, samples) {
    const { width, height, planes, low, scale } = this;
    const size = width * height;
    const row = width * samples;
    if (this.averages && samples === 2) {
      const quarter = scale / 4;
      for (let y = 0, i = 0, at = 0; y < height; y++, at += row) {
        for (let x = 0; x < width; x++, i++, at += 2) {
          const p = pixels[at];
          const q = pixels[at + 1];
          const r = pixels[at + row];
          const s = pixels[at + row + 1];
          const redBlue = (p & 0xff00ff) + (q & 0xff00ff) + (r & 0xff00ff) + (s & 0xff00ff);
          const green = ((p >>> 8) & 255) + ((q >>> 8) & 255) + ((r >>> 8) & 255) + ((s >>> 8) & 255);
          planes[i] = (redBlue & 0xffff) * quarter + low;
          planes[i + size] = green * quarter + low;
          planes[i + 2 * size] = (redBlue >>> 16) * quarter + low;
        }
      }
      return;
    }
    const middle = (samples >> 1) * (row + 1);
    for (let y = 0, i = 0; y < height; y++) {
      let at = y * samples * row + middle;
      for (let x = 0; x < width; x++, i++, at += samples) {
        const pixel = pixels[at];
        planes[i] = (pixel & 255) * scale + low;
        planes[i + size] = ((pixel >>> 8) & 255) * scale + low;
        planes[i + 2 * size] = ((pixel >>> 16) & 255) * scale + low;
      }
    }
  }

  /**
   * Draws the frame's outermost pixels, stretched to the region's end, on the sides where the region leaves the frame.
   * Half a pixel is taken of the image, for beyond its outermost pixel's middle nothing is mixed with the next one.
   * Each piece reaches two samples under the next one, so that no seam shows between their soft edges.
   * @param {VideoFrame | ImageBitmap} image
   * @param {number} frameWidth
   * @param {number} frameHeight
   * @param {import("./region.js").Region} region
   * @param {number} step pixels of the frame from sample to sample
   */
  #rim(image, frameWidth, frameHeight, region, step) {
    const [p, q, x, r, s, y] = toFrame(region);
    const under = 2 * step;
    /**
     * Where the region lies along an axis: before, on and behind the frame, each as [to, size] drawn and [from, size]
     * of the image.
     * @param {number} least @param {number} most @param {number} side of the frame
     */
    const pieces = (least, most, side) => [
      least < 0 ? [least - under, 2 * under - least, 0, 0.5] : null,
      [0, side, 0, side],
      most > side ? [side - under, most - side + 2 * under, side - 0.5, 0.5] : null,
    ];
    const across = pieces(x + Math.min(p, 0) + Math.min(q, 0), x + Math.max(p, 0) + Math.max(q, 0), frameWidth);
    const down = pieces(y + Math.min(r, 0) + Math.min(s, 0), y + Math.max(r, 0) + Math.max(s, 0), frameHeight);
    // Of the nine fields around the frame the corners first, for the sides lie above them.
    for (const field of [0, 2, 6, 8, 1, 3, 5, 7]) {
      const [h, v] = [across[field % 3], down[Math.floor(field / 3)]];
      if (h && v) this.context.drawImage(image, h[2], v[2], h[3], v[3], h[0], v[0], h[1], v[1]);
    }
  }
}
