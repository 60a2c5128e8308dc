// Part of the picture stays sharp, the rest is out of focus. ref: `_kept` in pysrc/bodylens/draw.py
import { Gaussian } from "./gaussian.js";
import { CONTOUR, LABEL } from "./layer.js";

/** @typedef {import("../painter.js").Target} Target */

const COPY = `
uniform sampler2D u_frame;
out vec4 copy;
void main() { copy = texture(u_frame, v_at); }`;

/**
 * @param {string} sharp GLSL: `bool sharp(ivec2 at)`
 * @param {(scene: import("./index.js").Scene) => Record<string, import("../painter.js").Uniform>} uniforms of `sharp`
 * @returns {import("./index.js").Effect}
 */
const kept = (sharp, uniforms) => {
  const fragment = `${LABEL}${sharp} out vec4 cover; void main() { cover = vec4(sharp(ivec2(gl_FragCoord.xy))); }`;
  const empty = () => ({
    frame: /** @type {Target | null} */ (null),
    cover: /** @type {Target | null} */ (null),
    behind: new Gaussian(),
    edge: new Gaussian(),
  });
  let made = empty();
  return {
    labels: true,
    shade: `
uniform sampler2D u_cover;
uniform sampler2D u_soft;
vec4 shade(vec2 at, vec2 seen, vec3 frame, float person) {
  return vec4(mix(texture(u_soft, at).rgb, frame, texture(u_cover, at).r), 1.0);
}`,
    prepare(painter, scene) {
      const { view, width, height, scale, labels } = scene;
      if (!labels) throw new Error("An effect that wants labels was given none.");
      made.frame = painter.target(made.frame, width, height);
      made.cover = painter.target(made.cover, width, height);
      painter.pass(COPY, { u_frame: scene.uniforms.u_frame }, made.frame);
      painter.pass(fragment, { ...uniforms(scene), u_labels: labels.texture }, made.cover);
      return {
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
export const bokeh = () => kept("bool sharp(ivec2 at) { return label(at).person; }", () => ({}));

/**
 * Parts of the body out of focus, such as the face. Of whom no part is known, all is hidden, and where nobody is found,
 * everything: it fails on that side.
 */
export const hide = () =>
  kept(
    `
uniform int u_hidden;  // a bit a part
uniform float u_blind;
bool inside(ivec2 at) {
  Label found = label(at);
  return found.part < 0 ? found.person : (u_hidden >> found.part & 1) == 1;
}
${CONTOUR}
bool sharp(ivec2 at) { return u_blind < 0.5 && (!inside(at) || contour(at)); }`,
    ({ view, blind }) => ({
      u_hidden: view.hidden.reduce((bits, part) => bits | (1 << part), 0),
      u_blind: Number(blind),
    }),
  );
