// Draws what a person sees: the frame, their mask, and the chosen effect, with WebGL2 on an OffscreenCanvas.
import { effects } from "./effects/index.js";
import { sizeOf } from "./frames.js";
import { DOUBTFUL, Labels } from "./labels.js";
import { Painter } from "./painter.js";
import { GUIDE, PERSON } from "./person.glsl.js";
import { Skeletons } from "./skeletons.js";
import { unpack } from "../people.js";
import { table } from "../tables.js";

/** @type {View} */
export const VIEW = {
  effect: "mask",
  opacity: 0.6,
  color: [0.18, 0.8, 0.66],
  blur: 16,
  picture: null,
  mirror: false,
  threshold: 0.5,
  softness: 0.2,
  refine: true,
  limit: 1920,
  skeleton: true,
  plain: false,
  confidence: 0.3,
  table: /** @type {Color[]} */ (table("rainbow")),
  hidden: [0, 1],
  edgeBlur: 0,
  cell: 10,
  contour: false,
  invert: false,
};

const MAIN = `
uniform sampler2D u_frame;
uniform float u_mirror;
out vec4 drawn;
void main() {
  vec2 at = vec2(u_mirror > 0.5 ? 1.0 - v_at.x : v_at.x, v_at.y);
  vec3 frame = texture(u_frame, at).rgb;
  drawn = shade(at, v_at, frame, person(at, frame));
}`;

const NOBODY = `
float probability(vec2 at, vec3 color) { return 0.0; }
float person(vec2 at, vec3 color) { return 0.0; }
`;

/** Longest side of a still picture that is drawn: more shows on no screen. The lengths of effects count pixels of a frame no larger. */
const DRAWN = 2048;

/** A late mask is one of logits: enlarged first, it keeps its outlines sharp. It gets as many cells across or down. */
const LATE = 256;

/**
 * What is known of the people beside their mask.
 * @typedef {{packed: Float64Array, topology: import("./skeletons.js").Topology, region?: import("./region.js").Region,
 *   parts?: import("./labels.js").Plane, offsets?: import("./labels.js").Plane}} Bodies `parts` and `offsets` are grids
 *   like the mask and cover `region` as it does
 */

export class Compositor {
  /** @type {WebGL2RenderingContext} */
  #gl;
  /** @type {ReturnType<Compositor["build"]>} */
  #made;
  /** What was drawn last; its pixels stay in the textures. */
  #last = {
    frameWidth: 0,
    frameHeight: 0,
    mask: /** @type {MaskImage | null} */ (null),
    bodies: /** @type {Bodies | null} */ (null),
    known: false,
    view: VIEW,
  };
  /** @type {OffscreenCanvasRenderingContext2D | null} */
  #turning = null;
  #listeners = new AbortController();

  /**
   * @param {OffscreenCanvas} canvas
   * @param {{lost?: () => void, restored?: () => void}} [on] the graphics driver took the canvas away, or gave it back
   */
  constructor(canvas, on = {}) {
    this.canvas = canvas;
    const gl = canvas.getContext("webgl2", { antialias: false, depth: false, powerPreference: "high-performance" });
    if (!gl) throw new Error("getContext('webgl2') gave nothing in a worker.");
    this.#gl = gl;
    this.#made = this.build();
    const { signal } = this.#listeners;
    canvas.addEventListener(
      "webglcontextlost",
      (event) => {
        event.preventDefault(); // asks the browser to bring it back
        on.lost?.();
      },
      { signal },
    );
    canvas.addEventListener(
      "webglcontextrestored",
      () => {
        this.#made = this.build();
        this.#last.frameWidth = 0; // its pixels are gone
        on.restored?.();
      },
      { signal },
    );
  }

  get lost() {
    return this.#gl.isContextLost();
  }

  /** Everything that lives on the graphics card, made once and again after a lost context. */
  build() {
    const gl = this.#gl;
    const painter = new Painter(gl);
    return {
      painter,
      skeletons: /** @type {Skeletons | null} */ (null),
      largest: /** @type {number} */ (gl.getParameter(gl.MAX_TEXTURE_SIZE)),
      frame: painter.texture(),
      /** Longest side of what it holds. */
      longest: 0,
      /** The bitmap in that texture, if it is one. */
      still: /** @type {ImageBitmap | null} */ (null),
      mask: { texture: painter.texture(), width: 0, height: 0 },
      guide: /** @type {import("./painter.js").Target | null} */ (null),
      labels: /** @type {Labels | null} */ (null),
      effects: /** @type {Map<EffectName | "conceal", import("./effects/index.js").Effect>} */ (new Map()),
    };
  }

  /**
   * Uploads a frame with its mask and draws both. What an effect hides and what is not known of this very frame is
   * concealed with it: see `Hides`.
   * @param {VideoFrame | ImageBitmap} frame stays open
   * @param {number} frameWidth pixels, as displayed @param {number} frameHeight
   * @param {MaskImage | null} mask
   * @param {Partial<View>} view
   * @param {Bodies | null} [bodies] whose skeletons are drawn on top, and whose parts are told apart
   * @param {boolean} [known] whether mask and bodies are a result, rather than not there yet
   */
  draw(frame, frameWidth, frameHeight, mask, view, bodies = null, known = true) {
    if (this.lost) return;
    this.#upload(frame);
    if (mask) this.#uploadMask(mask);
    this.#last = { frameWidth, frameHeight, mask, bodies, known, view: this.#complete(view) };
    this.#render();
  }

  /**
   * Draws the last frame again, as another view shows it: for still pictures and while paused.
   * @param {Partial<View>} view
   */
  redraw(view) {
    this.#last.view = this.#complete(view);
    if (!this.lost && this.#last.frameWidth) this.#render();
  }

  /** Forgets the last frame, and shows nothing of it any more. */
  clear() {
    Object.assign(this.#last, { frameWidth: 0, frameHeight: 0, mask: null, bodies: null, known: false });
    const gl = this.#gl;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.clear(gl.COLOR_BUFFER_BIT);
  }

  /** A view that names no picture keeps the last one. @param {Partial<View>} view @returns {View} */
  #complete(view) {
    const { picture } = this.#last.view;
    if (view.picture && picture && view.picture !== picture) picture.close();
    return { ...VIEW, ...view, picture: view.picture === undefined ? picture : view.picture };
  }

  /** What is drawn, in the frame's full size, or of a large picture in that which is drawn, as a file. @param {string} [type] */
  async snapshot(type = "image/png") {
    if (this.lost) throw new Error("The graphics driver took the canvas away; try again when the picture is back.");
    if (!this.#last.frameWidth) throw new Error("Nothing is drawn yet, so there is no picture to keep.");
    this.#render(this.#made.longest); // drawn again: the browser clears a canvas once it is shown
    const blob = this.canvas.convertToBlob({ type });
    this.#render();
    return blob;
  }

  dispose() {
    this.#listeners.abort();
    this.#gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  /** @param {VideoFrame | ImageBitmap} frame */
  #upload(frame) {
    const gl = this.#gl;
    if (frame === this.#made.still) return; // a bitmap never changes
    this.#made.still = frame instanceof ImageBitmap ? frame : null;
    gl.bindTexture(gl.TEXTURE_2D, this.#made.frame);
    const source = this.#upright(frame);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, source);
  }

  /**
   * The frame as WebGL can take it: browsers differ in whether they turn one that a phone held upright has recorded,
   * and none takes one larger than its largest texture. A 2D canvas does both.
   * @param {VideoFrame | ImageBitmap} frame
   */
  #upright(frame) {
    const { width, height } = sizeOf(frame);
    const { largest } = this.#made;
    const longest = Math.max(width, height);
    const scale = Math.min(1, (frame instanceof ImageBitmap ? Math.min(DRAWN, largest) : largest) / longest);
    this.#made.longest = Math.round(longest * scale);
    const { rotation = 0, flip = false } = /** @type {{rotation?: number, flip?: boolean}} */ (frame);
    if (scale === 1 && !rotation && !flip) return frame;
    const upright = (this.#turning ??= new OffscreenCanvas(1, 1).getContext("2d"));
    if (!upright) throw new Error("This browser gives no 2D canvas in workers, which turning the picture needs.");
    const { canvas } = upright;
    const [w, h] = [width, height].map((side) => Math.max(1, Math.round(side * scale)));
    if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    upright.globalCompositeOperation = "copy";
    upright.imageSmoothingQuality = "medium";
    upright.drawImage(frame, 0, 0, w, h);
    return canvas;
  }

  /** @param {MaskImage} mask */
  #uploadMask({ data, width, height }) {
    const gl = this.#gl;
    const { mask, painter } = this.#made;
    if (mask.width !== width || mask.height !== height) {
      gl.deleteTexture(mask.texture);
      mask.texture = painter.texture();
      gl.texStorage2D(gl.TEXTURE_2D, 1, gl.R16F, width, height);
      Object.assign(mask, { width, height });
    }
    gl.bindTexture(gl.TEXTURE_2D, mask.texture);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, width, height, gl.RED, gl.FLOAT, data);
  }

  /** @param {number} [limit] longest side of the canvas */
  #render(limit = this.#last.view.limit) {
    const { painter, frame } = this.#made;
    const { frameWidth, frameHeight, mask, bodies } = this.#last;
    const longest = Math.max(frameWidth, frameHeight);
    const view = enlarge(this.#last.view, Math.max(1, longest / DRAWN));
    const scale = Math.min(1, limit / longest);
    const width = Math.max(1, Math.round(frameWidth * scale));
    const height = Math.max(1, Math.round(frameHeight * scale));
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;

    const people = bodies && unpack(bodies.packed);
    let effect = this.#effect(view.effect);
    const hides = effect.hides(view);
    const drawable = hides ? hides === "background" || this.#found(hides) : mask || people?.capsules.length;
    if (!drawable) effect = this.#effect(hides ? "conceal" : "none");
    /** @type {Record<string, import("./painter.js").Uniform>} */
    const uniforms = { u_frame: frame, u_mirror: Number(view.mirror) };
    // What is drawn by labels needs no soft mask.
    if (mask && !effect.labels) Object.assign(uniforms, this.#guide(mask, view));
    const labels = effect.labels ? this.#label(width, height, effect.labels === "hidden" ? view.hidden : []) : null;
    const ids = people?.ids ?? [];
    const masked = mask !== null;
    const scene = { view, frameWidth, frameHeight, width, height, scale, uniforms, labels, masked, ids };
    Object.assign(uniforms, effect.prepare(painter, scene));
    painter.pass((mask && !effect.labels ? PERSON : NOBODY) + effect.shade + MAIN, uniforms, null);
    if (bodies && view.skeleton) {
      this.#made.skeletons ??= new Skeletons(this.#gl);
      this.#made.skeletons.draw(bodies.packed, bodies.topology, view);
    }
  }

  /** @param {EffectName | "conceal"} name */
  #effect(name) {
    let effect = this.#made.effects.get(name);
    if (!effect) this.#made.effects.set(name, (effect = effects[name]()));
    return effect;
  }

  /** Whether the last frame's result says whom to hide. @param {import("./effects/index.js").Hides} hides */
  #found(hides) {
    const { known, mask, bodies, view } = this.#last;
    if (!known) return false;
    // Of people with skeletons the parts follow from these, unless the network tells parts itself.
    if (hides === "parts" && bodies && !bodies.parts) return unpack(bodies.packed).capsules.length > 0;
    if (!mask) return false;
    const least = cut(mask, view.threshold);
    return mask.data.some((value) => value > least);
  }

  /**
   * Whose and which part each pixel of the canvas is.
   * @param {number} width @param {number} height @param {number[]} hidden parts that are to be hidden
   */
  #label(width, height, hidden) {
    const made = this.#made;
    const { frameWidth, frameHeight, mask, bodies, view } = this.#last;
    const given = mask && {
      ...mask,
      texture: made.mask.texture,
      place: inverse(this.#place(mask)),
      least: cut(mask, hidden.length ? DOUBTFUL * view.threshold : view.threshold),
    };
    made.labels ??= new Labels(made.painter);
    return made.labels.draw({ width, height, frameWidth, frameHeight, mask: given, bodies, hidden });
  }

  /** Takes a mask to the frame, both 0..1; column-major. @param {MaskImage} mask */
  #place({ matrix }) {
    const { frameWidth, frameHeight } = this.#last;
    return [
      ...[matrix[0] / frameWidth, matrix[3] / frameHeight, 0],
      ...[matrix[1] / frameWidth, matrix[4] / frameHeight, 0],
      ...[matrix[2] / frameWidth, matrix[5] / frameHeight, 1],
    ];
  }

  /** Lays the mask beside the frame's colours. @param {MaskImage} mask @param {View} view */
  #guide(mask, view) {
    const made = this.#made;
    const place = this.#place(mask);
    const larger = mask.late ? Math.max(1, Math.ceil(LATE / Math.max(mask.width, mask.height))) : 1;
    const [width, height] = [mask.width * larger, mask.height * larger];
    const u_texel = [1 / width, 1 / height];
    const u_edge = [view.threshold - view.softness, view.threshold + view.softness];
    made.guide = made.painter.target(made.guide, width, height);
    const u_late = Number(mask.late ?? false);
    const uniforms = { u_frame: made.frame, u_mask: made.mask.texture, u_place: place, u_texel, u_edge, u_late };
    made.painter.pass(GUIDE, uniforms, made.guide);
    return {
      u_guide: made.guide.texture,
      u_region: inverse(place),
      u_texel,
      u_edge,
      u_refine: Number(view.refine),
    };
  }
}

/** A view whose lengths are larger, so that an effect hides as much of a large picture. @param {View} view @param {number} by @returns {View} */
function enlarge(view, by) {
  return { ...view, blur: view.blur * by, edgeBlur: view.edgeBlur * by, cell: view.cell * by };
}

/**
 * The value above which a cell of a mask is a person.
 * @param {MaskImage} mask @param {number} threshold probability
 */
function cut({ late }, threshold) {
  const p = Math.min(Math.max(threshold, 1e-6), 1 - 1e-6);
  return late ? Math.log(p / (1 - p)) : p;
}

/** The inverse of an affine 3×3 matrix, column-major. @param {number[]} m */
function inverse(m) {
  const [a, b, , c, d, , e, f] = m;
  const det = a * d - b * c;
  if (!det) throw new Error(`The mask covers no area of the frame: its matrix is ${m}.`);
  return [d / det, -b / det, 0, -c / det, a / det, 0, (c * f - d * e) / det, (b * e - a * f) / det, 1];
}
