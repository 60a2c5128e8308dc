// From a region of a frame to a network's input, on the CPU: for wasm and WebGL, whose tensors lie there.
import { fromFrame } from "./region.js";

/** @typedef {{width: number, height: number, low: number, high: number}} Input */

/** Crops to one size and value range; its canvas and its array are made once. */
export class Crop {
  /** @param {Input} input */
  constructor({ width, height, low, high }) {
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
    this.scale = (high - low) / 255;
  }

  /**
   * Samples a region; what lies outside the frame is black.
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
    context.imageSmoothingQuality = Math.max(region[2] / width, region[3] / height) > 3 ? "medium" : "low";
    if (!whole) {
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.fillRect(0, 0, width, height);
    }
    context.setTransform(a * width, b * height, c * width, d * height, e * width, f * height);
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
}
