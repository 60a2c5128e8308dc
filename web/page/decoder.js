// A worker that decodes pictures: a large photograph takes longer than the page may stand still.
import { orient } from "./orientation.js";

const scope = /** @type {DedicatedWorkerGlobalScope} */ (/** @type {unknown} */ (globalThis));

/** @typedef {{bitmap: ImageBitmap, width: number, height: number}} Decoded opaque and upright; `width` and `height` are
 *   pixels of the picture as given, of which the bitmap may have fewer */

/** An animated picture, once it was opened. @type {{decoder: ImageDecoder, orientation: number} | null} */
let animation = null;

/**
 * Turns a decoded picture upright, makes it no larger than needed, and lays it over white.
 * @param {ImageBitmap | VideoFrame} image closed here @param {number} orientation as EXIF counts, 1 to 8
 * @param {number} longest side in pixels that is kept
 * @returns {Promise<Decoded>}
 */
async function finish(image, orientation, longest) {
  const bitmap = image instanceof ImageBitmap ? image : await createImageBitmap(image);
  if (image !== bitmap) image.close();
  const { width: across, height: down } = bitmap;
  const scale = Math.min(1, longest / Math.max(across, down));
  const [w, h] = [across, down].map((side) => Math.max(1, Math.round(side * scale)));
  let kept = bitmap;
  if (scale < 1) {
    kept = await createImageBitmap(bitmap, { resizeWidth: w, resizeHeight: h, resizeQuality: "high" });
    bitmap.close();
  }
  const turned = orientation > 4;
  const canvas = new OffscreenCanvas(turned ? h : w, turned ? w : h);
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
  if (!context) throw new Error("This browser gives no 2D canvas in workers.");
  context.fillStyle = "white"; // what is transparent is seen before white, as natively
  context.fillRect(0, 0, canvas.width, canvas.height);
  /** @type {[number, number, number, number, number, number][]} */
  const turns = [
    [1, 0, 0, 1, 0, 0],
    [-1, 0, 0, 1, w, 0],
    [-1, 0, 0, -1, w, h],
    [1, 0, 0, -1, 0, h],
    [0, 1, 1, 0, 0, 0],
    [0, 1, -1, 0, h, 0],
    [0, -1, -1, 0, h, w],
    [0, -1, 1, 0, 0, w],
  ];
  context.setTransform(...turns[orientation - 1]);
  context.drawImage(kept, 0, 0);
  kept.close();
  const [width, height] = turned ? [down, across] : [across, down];
  return { bitmap: canvas.transferToImageBitmap(), width, height };
}

/** @type {Record<string, (data: any) => Promise<{[key: string]: unknown, bitmap?: ImageBitmap}>>} */
const messages = {
  /** One picture. */
  decode: async ({ blob, longest }) => {
    const { upright, orientation } = await orient(blob);
    return { ...(await finish(await createImageBitmap(upright), orientation, longest)) };
  },
  /** An animated picture, whose frames are asked for afterwards. */
  open: async ({ blob, mime }) => {
    const { upright, orientation } = await orient(blob);
    const decoder = new ImageDecoder({ type: mime, data: await upright.arrayBuffer() });
    await decoder.tracks.ready;
    await decoder.completed; // until then, not all frames are counted
    animation = { decoder, orientation };
    return { frames: decoder.tracks.selectedTrack?.frameCount ?? 1 };
  },
  /** Frame `index` of it; time and duration in seconds. */
  frame: async ({ index, longest }) => {
    if (!animation) throw new Error("No animated picture is open.");
    const { image } = await animation.decoder.decode({ frameIndex: index });
    const [time, duration] = [image.timestamp / 1e6, (image.duration ?? 0) / 1e6];
    return { ...(await finish(image, animation.orientation, longest)), time, duration };
  },
};

scope.onmessage = async ({ data }) => {
  try {
    const answer = await messages[data.type](data);
    scope.postMessage({ ...answer, id: data.id }, answer.bitmap ? [answer.bitmap] : []);
  } catch (error) {
    scope.postMessage({ id: data.id, message: error instanceof Error ? error.message : String(error) });
  }
};
