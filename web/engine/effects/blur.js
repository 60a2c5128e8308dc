// The background out of focus. Only background pixels are averaged, so no person bleeds into it.
// Two one-dimensional Gaussians on a small copy of the frame; colours are premultiplied by their share of background.
import { PERSON } from "../person.glsl.js";
import { Gaussian } from "./gaussian.js";

/** Standard deviation on the small copy, in its pixels: enough that enlarging it shows no grid. */
const SIGMA = 2.5;

/** How much of a place is surely nobody. */
const BACKGROUND = `
      vec2 uv = (u_region * vec3(at, 1.0)).xy;
      vec2 outside = abs(uv - 0.5);
      float inside = step(max(outside.x, outside.y), 0.5);
      background -= inside * smoothstep(0.5 * u_edge.x, u_edge.x + 0.001, texture(u_guide, uv).a);`;

const SHRINK = (/** @type {boolean} */ masked) => `${masked ? PERSON : ""}
uniform sampler2D u_frame;
uniform vec2 u_footprint;  // size of a small pixel in the frame, 0..1
uniform int u_taps;        // across and down
out vec4 small;
void main() {
  small = vec4(0.0);
  float taps = float(u_taps);
  for (int y = 0; y < u_taps; y++)
    for (int x = 0; x < u_taps; x++) {
      vec2 at = v_at + ((vec2(x, y) + 0.5) / taps - 0.5) * u_footprint;
      float background = 1.0;
      ${masked ? BACKGROUND : ""}
      small += vec4(texture(u_frame, at).rgb, 1.0) * background;
    }
  small /= taps * taps;
}`;

/** @returns {import("./index.js").Effect} */
export const blur = () => {
  /** @type {import("../painter.js").Target | null} */
  let small = null;
  let gaussian = new Gaussian();
  return {
    hides: () => "background",
    shade: `
uniform sampler2D u_soft;
vec4 shade(vec2 at, vec2 seen, vec3 frame, float person) {
  vec4 soft = texture(u_soft, at);
  return vec4(mix(mix(frame, soft.rgb / max(soft.a, 0.004), step(0.004, soft.a)), frame, person), 1.0);
}`,
    prepare(painter, { view, frameWidth, frameHeight, uniforms, masked }) {
      const sigma = Math.max(view.blur / 2, 0.1);
      const factor = Math.max(1, sigma / SIGMA, Math.max(frameWidth, frameHeight) / 640);
      const width = Math.max(1, Math.round(frameWidth / factor));
      const height = Math.max(1, Math.round(frameHeight / factor));
      small = painter.target(small, width, height);
      const taps = Math.min(4, Math.ceil(factor / 2));
      painter.pass(SHRINK(masked), { ...uniforms, u_footprint: [1 / width, 1 / height], u_taps: taps }, small);
      return { u_soft: gaussian.blur(painter, small.texture, width, height, sigma / factor, false) };
    },
    forget() {
      small = null;
      gaussian = new Gaussian();
    },
  };
};
