// A coloured layer over the picture: a colour for each label, softened where that is wished.
import { Gaussian } from "./gaussian.js";

/** Declares what an effect asks of a pixel's label. Parts and people are counted from 0; -1 is none. */
export const LABEL = `
uniform sampler2D u_labels;
struct Label { int part; int owner; bool person; bool hidden; };
Label label(ivec2 at) {
  vec4 found = texelFetch(u_labels, at, 0) * 255.0 + 0.5;
  return Label(int(found.r) - 1, int(found.g) - 1, found.b > 128.0, found.a > 128.0);
}`;

/**
 * Declares `bool contour(ivec2 at)` of `bool inside(ivec2 at)`: the line along the border of an area, as BodyPix draws
 * it. ref: `contour` in pysrc/bodylens/draw.py
 */
export const CONTOUR = `
bool border(ivec2 at) {
  ivec2 last = textureSize(u_labels, 0) - 1;
  if (at.x < 1 || at.y < 1 || at.x >= last.x || at.y >= last.y || !inside(at)) return false;
  return !(inside(at + ivec2(-1, -1)) && inside(at + ivec2(1, -1)) && inside(at + ivec2(-1, 1)) && inside(at + 1));
}
bool contour(ivec2 at) { return border(at + 1) || border(at + ivec2(-1, 1)); }`;

/** Lays the layer over the frame. */
export const OVER = `
uniform sampler2D u_layer;
uniform float u_opacity;
vec4 shade(vec2 at, vec2 seen, vec3 frame, float person) {
  vec4 layer = texture(u_layer, at);
  return vec4(frame * (1.0 - layer.a * u_opacity) + layer.rgb * u_opacity, 1.0);
}`;

export class Layer {
  #gaussian = new Gaussian();
  /** @type {import("../painter.js").Target | null} */
  #target = null;

  /**
   * @param {import("../painter.js").Painter} painter
   * @param {import("./index.js").Scene} scene
   * @param {string} color GLSL: `vec4 color(ivec2 at)`: the premultiplied colour of a pixel
   * @param {Record<string, import("../painter.js").Uniform>} uniforms of `color`
   * @param {number} sigma of the layer's blur, pixels of the frame
   * @returns {WebGLTexture}
   */
  draw(painter, { width, height, scale, labels }, color, uniforms, sigma) {
    if (!labels) throw new Error("An effect that wants labels was given none.");
    this.#target = painter.target(this.#target, width, height);
    const fragment = `${LABEL}${color} out vec4 drawn; void main() { drawn = color(ivec2(gl_FragCoord.xy)); }`;
    painter.pass(fragment, { ...uniforms, u_labels: labels.texture }, this.#target);
    return this.#gaussian.blur(painter, this.#target.texture, width, height, sigma * scale, true);
  }
}
