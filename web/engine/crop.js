// From a region of a frame to a network's input, on the CPU: for wasm and WebGL, whose tensors lie there.
import { fromFrame, toFrame } from "./region.js";

/** @typedef {{width: number, height: number, low: number, high: number,
 *   border?: "zero" | "replicate"}} Input `border`: what a region shows where it leaves the frame */

/** Crops to one size and value range; its canvas and its array are made once. */
export class Crop {
  /** @param {Input} input */
  constructor({ width, height, low, high, border = "zero" }) {
    this.width = width;
    this.height = height;
    const context = new OffscreenCanvas(width, height).getContext("2d", { alpha: false, willReadFrequently: true });
    if (!context) throw new Error("This browser gives no 2D canvas in workers, which reading camera frames needs.");
    this.context = context;
    /** The bitmap and the region that the planes hold. @type {{image: ImageBitmap, region: number[]} | null} */
    this.taken = null;
    /** The input: planes of red, green and blue. */
    this.planes = new Float32Array(3 * width * height);
    this.low = low;
    this.repeats = border === "replicate";
    this.scale = (high - low) / 255;
  }

  /**
   * Samples a region.
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
    const { context, width, height, planes, low, scale } = this;
    const [a, c, e, b, d, f] = fromFrame(region);
    const whole = region[4] === 0 && e === 0 && f === 0 && a * frameWidth === 1 && d * frameHeight === 1;
    context.imageSmoothingQuality = Math.max(region[2] / width, region[3] / height) >= 2 ? "medium" : "low";
    if (!whole) {
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.fillRect(0, 0, width, height);
    }
    context.setTransform(a * width, b * height, c * width, d * height, e * width, f * height);
    if (this.repeats && !whole) this.#rim(image, frameWidth, frameHeight, region);
    context.drawImage(image, 0, 0, frameWidth, frameHeight);
    const { data } = context.getImageData(0, 0, width, height);
    const pixels = new Uint32Array(data.buffer); // little-endian: alpha, blue, green, red from high to low
    const size = width * height;
    for (let i = 0, g = size, b = 2 * size; i < size; i++, g++, b++) {
      const pixel = pixels[i];
      planes[i] = (pixel & 255) * scale + low;
      planes[g] = ((pixel >>> 8) & 255) * scale + low;
      planes[b] = ((pixel >>> 16) & 255) * scale + low;
    }
    return planes;
  }

  /**
   * Draws the frame's outermost pixels, stretched to the region's end, on the sides where the region leaves the frame.
   * Half a pixel is taken of the image, for beyond its outermost pixel's middle nothing is mixed with the next one.
   * Each piece reaches two of the input's pixels under the next one, so that no seam shows between their soft edges.
   * @param {VideoFrame | ImageBitmap} image
   * @param {number} frameWidth
   * @param {number} frameHeight
   * @param {import("./region.js").Region} region
   */
  #rim(image, frameWidth, frameHeight, region) {
    const [p, q, x, r, s, y] = toFrame(region);
    const under = 2 * Math.max(region[2] / this.width, region[3] / this.height);
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
