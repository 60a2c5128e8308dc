// The effects by the name that a view and the address bar use. A new effect is a new file and a line here.
import { blur } from "./blur.js";
import { color } from "./color.js";
import { conceal } from "./conceal.js";
import { cutout } from "./cutout.js";
import { dim } from "./dim.js";
import { heat } from "./heat.js";
import { bokeh, hide } from "./kept.js";
import { mask } from "./mask.js";
import { none } from "./none.js";
import { parts } from "./parts.js";
import { people } from "./people.js";
import { picture } from "./picture.js";
import { pixelate } from "./pixelate.js";

/**
 * What an effect knows of the frame that is drawn. Sizes in pixels.
 * @typedef {object} Scene
 * @property {View} view
 * @property {number} frameWidth
 * @property {number} frameHeight
 * @property {number} width of the canvas
 * @property {number} height of the canvas
 * @property {number} scale pixels of the canvas for one of the frame
 * @property {import("../painter.js").Target | null} labels of the canvas's size, for effects that want them
 * @property {boolean} masked whether there is a mask; without one all is background
 * @property {ArrayLike<number>} ids of the people, in the order in which labels number them
 * @property {Record<string, import("../painter.js").Uniform>} uniforms the frame, the guide and the mask's place
 */

/**
 * What an effect keeps from being seen. Where that is not known for the very frame that is drawn, it fails on that side:
 * - background: without a mask all is background;
 * - people: without a mask that holds somebody, the whole frame is concealed;
 * - parts: likewise, and without a skeleton or a map of parts.
 * @typedef {"background" | "people" | "parts"} Hides
 */

/**
 * @typedef {object} Effect
 * @property {(view: View) => Hides | null} hides null for one that may show anything
 * @property {true | "hidden"} [labels] it wants to know whose and which part each pixel is, and whether it is hidden
 * @property {string} shade GLSL: `vec4 shade(vec2 at, vec2 seen, vec3 frame, float person)`: the premultiplied colour of a
 *   pixel; `at` in the frame, `seen` on the canvas (they differ where the view is mirrored), 0..1 from the top left
 * @property {(painter: import("../painter.js").Painter, scene: Scene) => Record<string, import("../painter.js").Uniform>} prepare
 *   draws what `shade` needs beforehand, and answers with its uniforms
 * @property {() => void} forget lets go of what it made, when the context was lost
 */

/** @type {Record<EffectName | "conceal", () => Effect>} */
export const effects = {
  conceal,
  mask,
  blur,
  color,
  picture,
  cutout,
  none,
  parts,
  people,
  hide,
  pixelate,
  bokeh,
  dim,
  heat,
};
