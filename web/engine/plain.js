// Draws on a 2D canvas, for browsers whose workers have no WebGL2: the same picture with plainer edges.
import { unpack } from "../people.js";
import { PEOPLE } from "../tables.js";
import { VIEW } from "./compositor.js";
import { plainLabels } from "./plain-labels.js";
import { COLORS } from "./skeletons.js";

/** @typedef {import("./compositor.js").Bodies} Bodies */
/** @typedef {OffscreenCanvasRenderingContext2D} Context */

/** Effects that leave the person as they are and change what is behind them. */
const BEHIND = ["color", "blur", "bokeh", "picture", "cutout"];
/** Effects that hide: all of the person where no part is known, and everything where nobody is. */
const HIDING = ["hide", "pixelate"];
/** Effects that go by whose and which part a pixel is, and whether it is anybody's. */
const LABELLED = ["parts", "people", "hide", "dim"];
/** Cells of the grid of labels across or down, at most. */
const CELLS = 320;
/** By how much a copy is made smaller and larger again for a blur, as a part of its radius. */
const BLURRED = 0.75;

/** @type {Color} */
const BLACK = [0, 0, 0];
/** @type {Color} */
const CYAN = [0, 1, 1];

/** @returns {Context} */
function open(canvas = new OffscreenCanvas(1, 1)) {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("This browser draws nothing in workers: it has neither WebGL2 nor a 2D canvas there.");
  return context;
}

/** Gives a canvas a size, and so a clean start. @param {Context} context @param {number} width @param {number} height */
function clear(context, width, height) {
  const { canvas } = context;
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  context.reset?.();
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.globalCompositeOperation = "source-over";
  context.clearRect(0, 0, width, height);
}

/** The same interface as the compositor's. */
export class PlainCompositor {
  kind = "2d";
  lost = false;
  /** The frame, in its own size. */
  #frame = open();
  /** The person alone, or their tint. */
  #person = open();
  /** How much of each cell is person, in alpha. */
  #mask = open();
  #soft = open();
  #last = {
    frameWidth: 0,
    frameHeight: 0,
    mask: /** @type {MaskImage | null} */ (null),
    bodies: /** @type {Bodies | null} */ (null),
    view: VIEW,
  };

  /** @param {OffscreenCanvas} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = open(canvas);
  }

  /**
   * Keeps a frame with its mask and draws both. Without a mask the frame is drawn as it is.
   * @param {VideoFrame | ImageBitmap} frame stays open
   * @param {number} frameWidth pixels, as displayed @param {number} frameHeight
   * @param {MaskImage | null} mask
   * @param {Partial<View>} view
   * @param {Bodies | null} [bodies] whose skeletons are drawn on top
   */
  draw(frame, frameWidth, frameHeight, mask, view, bodies = null) {
    clear(this.#frame, frameWidth, frameHeight);
    this.#frame.drawImage(frame, 0, 0, frameWidth, frameHeight);
    this.#last = { frameWidth, frameHeight, mask, bodies, view: this.#complete(view) };
    this.#render();
  }

  /** Draws the last frame again, as another view shows it. @param {Partial<View>} view */
  redraw(view) {
    this.#last.view = this.#complete(view);
    if (this.#last.frameWidth) this.#render();
  }

  /** What is drawn, in the frame's full size, as a file. @param {string} [type] */
  async snapshot(type = "image/png") {
    if (!this.#last.frameWidth) throw new Error("Nothing is drawn yet, so there is no picture to keep.");
    this.#render(Infinity);
    const blob = this.canvas.convertToBlob({ type });
    this.#render();
    return blob;
  }

  dispose() {}

  /** A view that names no picture keeps the last one. @param {Partial<View>} view @returns {View} */
  #complete(view) {
    const { picture } = this.#last.view;
    if (view.picture && picture && view.picture !== picture) picture.close();
    return { ...VIEW, ...view, picture: view.picture === undefined ? picture : view.picture };
  }

  /** @param {number} [limit] longest side of the canvas */
  #render(limit = this.#last.view.limit) {
    const { context } = this;
    const { frameWidth, frameHeight, mask, bodies, view } = this.#last;
    const scale = Math.min(1, limit / Math.max(frameWidth, frameHeight));
    const width = Math.max(1, Math.round(frameWidth * scale));
    const height = Math.max(1, Math.round(frameHeight * scale));
    clear(context, width, height);
    const color = `rgb(${view.color.map((part) => Math.round(255 * part)).join(" ")})`;
    const hides = HIDING.includes(view.effect);
    const known = bodies && unpack(bodies.packed);
    const told = mask && (view.effect === "dim" || bodies?.parts || bodies?.offsets);
    const labelled = LABELLED.includes(view.effect) && (known?.capsules.length || told);
    const effect = mask || labelled || hides ? view.effect : "none";
    if (effect === "picture" && view.picture) this.#cover(view.picture, width, height);
    // From here on the canvas has the frame's coordinates.
    context.setTransform(view.mirror ? -scale : scale, 0, 0, scale, view.mirror ? width : 0, 0);
    if (effect === "color") {
      context.fillStyle = color;
      context.fillRect(0, 0, frameWidth, frameHeight);
    } else if (effect === "blur" || effect === "bokeh") this.#enlarge(context, BLURRED * view.blur, true);
    else if (hides && !mask && !labelled) this.#enlarge(context, 2 * view.cell, false);
    else if (effect !== "picture" && effect !== "cutout") context.drawImage(this.#frame.canvas, 0, 0);
    if (labelled) {
      const hidden = effect === "hide";
      context.globalAlpha = hidden ? 1 : view.opacity;
      this.#label(known?.ids ?? [], view, hidden);
      context.drawImage(this.#person.canvas, 0, 0);
      context.globalAlpha = 1;
    } else if (mask && effect !== "none") {
      const behind = BEHIND.includes(effect);
      context.globalAlpha = behind || hides ? 1 : view.opacity;
      this.#take(mask, view, behind || hides ? null : color, hides);
      context.drawImage(this.#person.canvas, 0, 0);
      context.globalAlpha = 1;
    }
    if (bodies && view.skeleton) this.#drawBodies(bodies, view.confidence, scale);
  }

  /**
   * The person alone, or in one colour.
   * @param {MaskImage} mask @param {View} view @param {string | null} color @param {boolean} hides in coarse cells
   */
  #take({ data, width, height, matrix, late }, view, color, hides) {
    const image = new ImageData(width, height);
    const [low, high] = [view.threshold - view.softness, view.threshold + view.softness];
    for (let i = 0; i < data.length; i++) {
      const p = late ? 1 / (1 + Math.exp(-data[i])) : data[i];
      const t = Math.min(1, Math.max(0, (p - low) / Math.max(high - low, 1e-6)));
      image.data[4 * i + 3] = 255 * (hides ? Math.ceil(t) : t * t * (3 - 2 * t));
    }
    clear(this.#mask, width, height);
    this.#mask.putImageData(image, 0, 0);
    const person = this.#person;
    const { frameWidth, frameHeight } = this.#last;
    clear(person, frameWidth, frameHeight);
    const [a, c, e, b, d, f] = matrix; // from the unit square to the frame
    person.imageSmoothingQuality = "high";
    person.setTransform(a / width, b / width, c / height, d / height, e, f);
    person.drawImage(this.#mask.canvas, 0, 0);
    person.setTransform(1, 0, 0, 1, 0, 0);
    person.globalCompositeOperation = "source-in";
    if (color) {
      person.fillStyle = color;
      person.fillRect(0, 0, frameWidth, frameHeight);
    } else if (hides) this.#enlarge(person, 2 * view.cell, false);
    else person.drawImage(this.#frame.canvas, 0, 0);
  }

  /**
   * Parts or people in their colours, what is darkened, or what is hidden of them in coarse cells.
   * @param {ArrayLike<number>} ids of the people @param {View} view @param {boolean} hides
   */
  #label(ids, view, hides) {
    const { frameWidth, frameHeight, mask, bodies } = this.#last;
    const scale = Math.min(1, CELLS / Math.max(frameWidth, frameHeight));
    const [width, height] = [frameWidth, frameHeight].map((side) => Math.max(1, Math.round(side * scale)));
    const threshold = Math.min(Math.max(view.threshold, 1e-6), 1 - 1e-6);
    const labels = plainLabels({ width, height, frameWidth, frameHeight, mask, threshold, bodies });
    const { parts, owners, person } = labels;
    const image = new ImageData(width, height);
    const dims = view.effect === "dim";
    for (let i = 0; i < person.length; i++) {
      if (!dims && !person[i]) continue;
      const [part, owner] = [parts[i], owners[i]];
      /** @type {Color | undefined} */
      let color;
      if (dims) {
        if (view.contour && isContour(person, width, height, i)) color = CYAN;
        else if (Boolean(person[i]) === view.invert) color = BLACK;
      } else if (view.effect === "parts") color = view.table[part];
      else if (view.effect === "people") color = PEOPLE[((ids[owner] ?? 1) + PEOPLE.length - 1) % PEOPLE.length];
      else if (part < 0 || view.hidden.includes(part)) color = BLACK;
      if (color) image.data.set([255 * color[0], 255 * color[1], 255 * color[2], 255], 4 * i);
    }
    // What is half covered is not hidden.
    if (!hides && view.edgeBlur) soften(image, view.edgeBlur * scale);
    clear(this.#mask, width, height);
    this.#mask.putImageData(image, 0, 0);
    const layer = this.#person;
    clear(layer, frameWidth, frameHeight);
    layer.imageSmoothingEnabled = !hides;
    layer.drawImage(this.#mask.canvas, 0, 0, frameWidth, frameHeight);
    layer.imageSmoothingEnabled = true;
    if (!hides) return;
    layer.globalCompositeOperation = "source-in";
    this.#enlarge(layer, 2 * view.cell, false);
  }

  /**
   * Draws a small copy of the frame, enlarged: not every browser has filters here.
   * @param {Context} onto @param {number} factor @param {boolean} smooth
   */
  #enlarge(onto, factor, smooth) {
    const { frameWidth, frameHeight } = this.#last;
    const [width, height] = [frameWidth, frameHeight].map((side) =>
      Math.max(1, Math.round(side / Math.max(1, factor))),
    );
    const soft = this.#soft;
    clear(soft, width, height);
    soft.imageSmoothingQuality = onto.imageSmoothingQuality = "high";
    soft.drawImage(this.#frame.canvas, 0, 0, width, height);
    onto.imageSmoothingEnabled = smooth;
    onto.drawImage(soft.canvas, 0, 0, frameWidth, frameHeight);
    onto.imageSmoothingEnabled = true;
  }

  /** Fills the canvas with a picture, as much of it as fits. @param {ImageBitmap} picture @param {number} width @param {number} height */
  #cover(picture, width, height) {
    const scale = Math.max(width / picture.width, height / picture.height);
    const [w, h] = [picture.width * scale, picture.height * scale];
    this.context.drawImage(picture, (width - w) / 2, (height - h) / 2, w, h);
  }

  /** @param {Bodies} bodies @param {number} confidence @param {number} scale of the canvas to the frame */
  #drawBodies({ packed, topology: { sides, edges } }, confidence, scale) {
    const { context } = this;
    const { n, k, d, keypoints, scores } = unpack(packed);
    const { frameWidth, frameHeight } = this.#last;
    const radius = Math.max(1.5, (Math.min(frameWidth, frameHeight) * scale) / 180) / scale;
    context.lineCap = "round";
    /** @param {number} a @param {number} b @param {string} side @param {number} alpha @param {number} thick */
    const put = (a, b, side, alpha, thick) => {
      const color = COLORS[side].map((part) => Math.round(255 * part)).join(" ");
      context.strokeStyle = `rgb(${color} / ${alpha})`;
      context.lineWidth = 2 * thick;
      context.beginPath();
      context.moveTo(keypoints[d * a], keypoints[d * a + 1]);
      context.lineTo(keypoints[d * b], keypoints[d * b + 1]);
      context.stroke();
    };
    for (let person = 0; person < n; person++) {
      const first = person * k;
      for (const [a, b] of edges) {
        const sure = Math.min(scores[first + a], scores[first + b]);
        const side = sides[a] === sides[b] ? sides[a] : "middle";
        if (sure >= confidence) put(first + a, first + b, side, 0.35 + 0.55 * sure, 0.6 * radius);
      }
      for (let i = 0; i < k; i++) {
        const sure = scores[first + i];
        if (sure >= confidence) put(first + i, first + i, sides[i], 0.4 + 0.6 * sure, radius);
      }
    }
  }
}

/**
 * Whether a cell is on the line along the border of an area, as BodyPix draws it: above a cell of the area one of whose
 * diagonal neighbours is outside. ref: `contour` in pysrc/bodylens/draw.py
 * @param {Uint8Array} inside @param {number} width cells @param {number} height @param {number} i number of the cell
 */
function isContour(inside, width, height, i) {
  const [x, y] = [i % width, Math.floor(i / width) + 1];
  if (y >= height - 1) return false;
  return [x - 1, x + 1].some((x) => {
    if (x < 1 || x >= width - 1) return false;
    const at = y * width + x;
    if (!inside[at]) return false;
    return !(inside[at - width - 1] && inside[at - width + 1] && inside[at + width - 1] && inside[at + width + 1]);
  });
}

/**
 * Blurs colours that are clear or opaque by a Gaussian; outside all is clear. ref: `blurred` in pysrc/bodylens/draw.py
 * @param {ImageData} image @param {number} sigma cells
 */
function soften({ data, width, height }, sigma) {
  const reach = Math.ceil(3 * sigma);
  const weights = Array.from({ length: reach + 1 }, (_, step) => Math.exp(-0.5 * (step / sigma) ** 2));
  const total = 2 * weights.reduce((sum, weight) => sum + weight, 0) - weights[0];
  let from = Float32Array.from(data);
  for (const [along, count, across, lines] of [
    [4, width, 4 * width, height],
    [4 * width, height, 4, width],
  ]) {
    const to = new Float32Array(from.length);
    for (let line = 0; line < lines; line++) {
      for (let at = 0; at < count; at++) {
        const into = line * across + at * along;
        const last = Math.min(at + reach, count - 1);
        for (let other = Math.max(at - reach, 0); other <= last; other++) {
          const source = line * across + other * along;
          const alpha = from[source + 3];
          if (!alpha) continue; // and no colour, either
          const weight = weights[Math.abs(other - at)] / total;
          for (let part = 0; part < 3; part++) to[into + part] += weight * from[source + part];
          to[into + 3] += weight * alpha;
        }
      }
    }
    from = to;
  }
  for (let i = 0; i < data.length; i += 4) {
    const alpha = from[i + 3];
    for (let part = 0; part < 3; part++) data[i + part] = alpha ? (255 * from[i + part]) / alpha : 0;
    data[i + 3] = alpha;
  }
}
