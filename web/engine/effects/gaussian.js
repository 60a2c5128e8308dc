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

export class Gaussian {
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
   * @returns {WebGLTexture}
   */
  blur(painter, source, width, height, sigma, fade) {
    if (sigma < 0.05) return source;
    this.#across = painter.target(this.#across, width, height);
    this.#soft = painter.target(this.#soft, width, height);
    const uniforms = { u_sigma: sigma, u_fade: Number(fade) };
    painter.pass(ALONG, { ...uniforms, u_source: source, u_axis: [1, 0] }, this.#across);
    painter.pass(ALONG, { ...uniforms, u_source: this.#across.texture, u_axis: [0, 1] }, this.#soft);
    return this.#soft.texture;
  }
}
