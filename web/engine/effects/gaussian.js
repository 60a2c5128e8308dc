// A Gaussian blur, weighted as in `blurred` of pysrc/bodylens/draw.py.

/** @typedef {import("../painter.js").Target} Target */

const ALONG = `
uniform sampler2D u_source;
uniform ivec2 u_axis;
uniform float u_sigma;
uniform float u_fade;  // 1: what lies outside is 0; 0: only what lies inside counts
out vec4 soft;
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  ivec2 last = textureSize(u_source, 0) - 1;
  int reach = int(ceil(3.0 * u_sigma));
  vec4 sum = vec4(0.0);
  float all = 0.0, inside = 0.0;
  for (int i = -reach; i <= reach; i++) {
    float weight = exp(-0.5 * float(i * i) / (u_sigma * u_sigma));
    ivec2 p = at + i * u_axis;
    all += weight;
    if (p != clamp(p, ivec2(0), last)) continue;
    sum += weight * texelFetch(u_source, p, 0);
    inside += weight;
  }
  soft = sum / mix(inside, all, u_fade);
}`;

/** A wide blur is done on a small copy, on which it is as wide as this: enlarging that shows no grid. */
const WIDE = 4;
/** What shrinking and enlarging blur by themselves: the variances of a box and of a triangle. */
const ITSELF = 1 / 12 + 1 / 6;

const SHRINK = `
uniform sampler2D u_source;
uniform vec2 u_footprint;  // size of a small pixel in the source, 0..1
uniform int u_taps;        // across and down
out vec4 small;
void main() {
  small = vec4(0.0);
  float taps = float(u_taps);
  for (int y = 0; y < u_taps; y++)
    for (int x = 0; x < u_taps; x++)
      small += texture(u_source, v_at + ((vec2(x, y) + 0.5) / taps - 0.5) * u_footprint);
  small /= taps * taps;
}`;

export class Gaussian {
  /** @type {Target | null} */
  #small = null;
  /** @type {Target | null} */
  #across = null;
  /** @type {Target | null} */
  #soft = null;

  /**
   * @param {import("../painter.js").Painter} painter
   * @param {WebGLTexture} source of width × height
   * @param {number} width @param {number} height pixels
   * @param {number} sigma pixels; 0 leaves all as it is
   * @param {boolean} fade take what lies outside for 0, as with a layer that ends there
   * @returns {WebGLTexture} of that size, or smaller
   */
  blur(painter, source, width, height, sigma, fade) {
    if (sigma < 0.05) return source;
    const factor = Math.floor(sigma / WIDE);
    if (factor > 1) {
      const [w, h] = [width, height].map((size) => Math.max(1, Math.round(size / factor)));
      this.#small = painter.target(this.#small, w, h);
      const u_taps = Math.min(4, Math.ceil(factor / 2));
      painter.pass(SHRINK, { u_source: source, u_footprint: [1 / w, 1 / h], u_taps }, this.#small);
      source = this.#small.texture;
      sigma = Math.sqrt((sigma / factor) ** 2 - ITSELF);
      [width, height] = [w, h];
    }
    this.#across = painter.target(this.#across, width, height);
    this.#soft = painter.target(this.#soft, width, height);
    const uniforms = { u_sigma: sigma, u_fade: Number(fade) };
    painter.pass(ALONG, { ...uniforms, u_source: source, u_axis: [1, 0] }, this.#across);
    painter.pass(ALONG, { ...uniforms, u_source: this.#across.texture, u_axis: [0, 1] }, this.#soft);
    return this.#soft.texture;
  }
}
