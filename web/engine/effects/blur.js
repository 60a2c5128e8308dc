// The background out of focus. Only background pixels are averaged, so no person bleeds into it.
// Two one-dimensional Gaussians on a small copy of the frame; colours are premultiplied by their share of background.
import { PERSON } from "../person.glsl.js";

/** Standard deviation on the small copy, in its pixels: enough that enlarging it shows no grid. */
const SIGMA = 2.5;

const SHRINK = `${PERSON}
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
      vec2 uv = (u_region * vec3(at, 1.0)).xy;
      vec2 outside = abs(uv - 0.5);
      float inside = step(max(outside.x, outside.y), 0.5);
      float background = 1.0 - inside * smoothstep(0.5 * u_edge.x, u_edge.x + 0.001, texture(u_guide, uv).a);
      small += vec4(texture(u_frame, at).rgb, 1.0) * background;
    }
  small /= taps * taps;
}`;

const GAUSSIAN = `
uniform sampler2D u_small;
uniform vec2 u_step;
uniform float u_sigma;
out vec4 soft;
void main() {
  soft = texture(u_small, v_at);
  float weights = 1.0;
  for (int i = 1; i <= 7; i += 2) {
    // Two taps for the price of one: the sampler mixes neighbours in the ratio of their weights.
    float near = exp(-0.5 * float(i * i) / (u_sigma * u_sigma));
    float far = exp(-0.5 * float((i + 1) * (i + 1)) / (u_sigma * u_sigma));
    float both = near + far;
    if (both < 1e-5) break;
    vec2 reach = u_step * (float(i) + far / both);
    soft += both * (texture(u_small, v_at + reach) + texture(u_small, v_at - reach));
    weights += 2.0 * both;
  }
  soft /= weights;
}`;

/** @returns {import("./index.js").Effect} */
export const blur = () => {
  /** @type {import("../painter.js").Target | null} */
  let small = null;
  /** @type {import("../painter.js").Target | null} */
  let across = null;
  return {
    shade: `
uniform sampler2D u_soft;
vec4 shade(vec2 at, vec2 seen, vec3 frame, float person) {
  vec4 soft = texture(u_soft, at);
  return vec4(mix(mix(frame, soft.rgb / max(soft.a, 0.004), step(0.004, soft.a)), frame, person), 1.0);
}`,
    prepare(painter, { view, frameWidth, frameHeight, uniforms }) {
      const sigma = Math.max(view.blur / 2, 0.1);
      const factor = Math.max(1, sigma / SIGMA, Math.max(frameWidth, frameHeight) / 640);
      const width = Math.max(1, Math.round(frameWidth / factor));
      const height = Math.max(1, Math.round(frameHeight / factor));
      small = painter.target(small, width, height);
      across = painter.target(across, width, height);
      const taps = Math.min(4, Math.ceil(factor / 2));
      painter.pass(SHRINK, { ...uniforms, u_footprint: [1 / width, 1 / height], u_taps: taps }, small);
      const u_sigma = sigma / factor;
      painter.pass(GAUSSIAN, { u_small: small.texture, u_step: [1 / width, 0], u_sigma }, across);
      painter.pass(GAUSSIAN, { u_small: across.texture, u_step: [0, 1 / height], u_sigma }, small);
      return { u_soft: small.texture };
    },
    forget() {
      small = across = null;
    },
  };
};
