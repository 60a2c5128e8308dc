// Part of the picture stays sharp, the rest is out of focus. ref: `_kept` in pysrc/bodylens/draw.py
import { Gaussian } from "./gaussian.js";
import { LABEL } from "./layer.js";

/** @typedef {import("../painter.js").Target} Target */

const COPY = `
uniform sampler2D u_frame;
out vec4 copy;
void main() { copy = texture(u_frame, v_at); }`;

/**
 * @param {import("./index.js").Hides} hides
 * @param {string} sharp GLSL: `bool sharp(ivec2 at)`
 * @param {string} cover GLSL: how much of a pixel stays sharp: itself `at` a place, while `soft` is how much of its
 *   surroundings does
 * @returns {import("./index.js").Effect}
 */
const kept = (hides, sharp, cover) => {
  const fragment = `${LABEL}${sharp} out vec4 cover; void main() { cover = vec4(sharp(ivec2(gl_FragCoord.xy))); }`;
  const empty = () => ({
    frame: /** @type {Target | null} */ (null),
    cover: /** @type {Target | null} */ (null),
    behind: new Gaussian(),
    edge: new Gaussian(),
  });
  let made = empty();
  return {
    labels: hides === "parts" ? "hidden" : true,
    hides: () => hides,
    shade: `${LABEL}${sharp}
uniform sampler2D u_cover;
uniform sampler2D u_soft;
vec4 shade(vec2 place, vec2 seen, vec3 frame, float person) {
  float soft = texture(u_cover, place).r;
  ivec2 at = ivec2(place * vec2(textureSize(u_labels, 0)));
  return vec4(mix(texture(u_soft, place).rgb, frame, ${cover}), 1.0);
}`,
    prepare(painter, scene) {
      const { view, width, height, scale, labels } = scene;
      if (!labels) throw new Error("An effect that wants labels was given none.");
      made.frame = painter.target(made.frame, width, height);
      made.cover = painter.target(made.cover, width, height);
      painter.pass(COPY, { u_frame: scene.uniforms.u_frame }, made.frame);
      painter.pass(fragment, { u_labels: labels.texture }, made.cover);
      return {
        u_labels: labels.texture,
        u_soft: made.behind.blur(painter, made.frame.texture, width, height, view.blur * scale, false),
        u_cover: made.edge.blur(painter, made.cover.texture, width, height, view.edgeBlur * scale, true),
      };
    },
    forget() {
      made = empty();
    },
  };
};

/** The background out of focus as BodyPix draws it, people's colours in it and all. */
export const bokeh = () => kept("background", "bool sharp(ivec2 at) { return label(at).person; }", "soft");

/** Parts of the body out of focus, such as the face. The soft edge lies outside of what is hidden, which has none. */
export const hide = () =>
  kept("parts", "bool sharp(ivec2 at) { return !label(at).hidden; }", "sharp(at) ? max(2.0 * soft - 1.0, 0.0) : 0.0");
