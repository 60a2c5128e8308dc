// A small hand on WebGL2: programs by their source, uniforms by name, textures, and one full-screen pass.

const VERTEX = `#version 300 es
out vec2 v_at;
uniform float u_flip;
void main() {
  vec2 corner = vec2(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0);
  v_at = corner * 0.5 + 0.5;
  if (u_flip > 0.5) v_at.y = 1.0 - v_at.y;
  gl_Position = vec4(corner, 0.0, 1.0);
}`;

const FRAGMENT_HEAD = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp usampler2D;
in vec2 v_at;
`;

/**
 * @typedef {number | readonly number[] | Float32Array | WebGLTexture} Uniform
 * @typedef {"RGBA8" | "R32UI" | "RG32UI"} Format numbers are kept in 32 bits, which every WebGL2 can draw as integers
 * @typedef {{texture: WebGLTexture, framebuffer: WebGLFramebuffer, width: number, height: number, format: Format}} Target
 * @typedef {{texture: WebGLTexture, width: number, height: number, channels: 1 | 4}} Numbers
 * @typedef {{program: WebGLProgram, uniforms: Map<string, {type: number, at: WebGLUniformLocation}>}} Program
 */

export class Painter {
  /** @type {Map<string, Program>} */
  #programs = new Map();
  #units = 0;

  /** @param {WebGL2RenderingContext} gl */
  constructor(gl) {
    this.gl = gl;
    gl.bindVertexArray(gl.createVertexArray());
    gl.disable(gl.DITHER);
  }

  /**
   * An empty texture, clamped at its edges; its top row is row 0.
   * @param {number} filter gl.LINEAR or gl.NEAREST
   */
  texture(filter = this.gl.LINEAR) {
    const { gl } = this;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, filter);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, filter);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    return texture;
  }

  /**
   * A texture to draw into; the old one is kept where its size still fits.
   * @param {Target | null} old @param {number} width @param {number} height
   * @param {Format} [format] @returns {Target}
   */
  target(old, width, height, format = "RGBA8") {
    if (old && old.width === width && old.height === height && old.format === format) return old;
    const { gl } = this;
    if (old) this.release(old);
    const texture = this.texture(format === "RGBA8" ? gl.LINEAR : gl.NEAREST);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl[format], width, height);
    const framebuffer = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    return { texture, framebuffer, width, height, format };
  }

  /**
   * A texture of numbers, to be fetched one by one; the old one is kept where its size still fits.
   * @param {Numbers | null} old @param {1 | 4} channels @param {number} width @param {number} height
   * @param {Float32Array} data row by row @returns {Numbers}
   */
  numbers(old, channels, width, height, data) {
    const { gl } = this;
    const fits = old && old.width === width && old.height === height && old.channels === channels;
    if (old && !fits) gl.deleteTexture(old.texture);
    const texture = fits ? old.texture : this.texture(gl.NEAREST);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    if (!fits) gl.texStorage2D(gl.TEXTURE_2D, 1, channels === 1 ? gl.R32F : gl.RGBA32F, width, height);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, width, height, channels === 1 ? gl.RED : gl.RGBA, gl.FLOAT, data);
    return { texture, width, height, channels };
  }

  /** @param {Target} target becomes all 0 */
  clear({ framebuffer }) {
    const { gl } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    gl.clearBufferfv(gl.COLOR, 0, [0, 0, 0, 0]);
  }

  /** @param {Target} target */
  release(target) {
    this.gl.deleteFramebuffer(target.framebuffer);
    this.gl.deleteTexture(target.texture);
  }

  /**
   * Runs one fragment shader over a whole target, or over the canvas where target is null (its top row is drawn on top).
   * @param {string} fragment GLSL with `v_at` (0..1, from the top left) and one output
   * @param {Record<string, Uniform>} uniforms
   * @param {Target | null} target
   */
  pass(fragment, uniforms, target) {
    const { gl } = this;
    const program = this.#program(fragment);
    gl.useProgram(program.program);
    this.#units = 0;
    for (const [name, { type, at }] of program.uniforms) {
      const value = name === "u_flip" ? Number(target === null) : uniforms[name];
      if (value === undefined) throw new Error(`The shader wants ${name}, which nobody gave.`);
      this.#set(type, at, value);
    }
    gl.bindFramebuffer(gl.FRAMEBUFFER, target ? target.framebuffer : null);
    gl.viewport(0, 0, target ? target.width : gl.drawingBufferWidth, target ? target.height : gl.drawingBufferHeight);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  /** @param {number} type @param {WebGLUniformLocation} at @param {any} value */
  #set(type, at, value) {
    const { gl } = this;
    if (type === gl.SAMPLER_2D || type === gl.UNSIGNED_INT_SAMPLER_2D) {
      gl.activeTexture(gl.TEXTURE0 + this.#units);
      gl.bindTexture(gl.TEXTURE_2D, value);
      gl.uniform1i(at, this.#units++);
    } else if (type === gl.FLOAT) gl.uniform1f(at, value);
    else if (type === gl.INT) gl.uniform1i(at, value);
    else if (type === gl.INT_VEC2) gl.uniform2iv(at, value);
    else if (type === gl.FLOAT_VEC2) gl.uniform2fv(at, value);
    else if (type === gl.FLOAT_VEC3) gl.uniform3fv(at, value);
    else if (type === gl.FLOAT_VEC4) gl.uniform4fv(at, value);
    else if (type === gl.FLOAT_MAT3) gl.uniformMatrix3fv(at, false, value);
    else throw new Error(`No way to set a uniform of type ${type} yet.`);
  }

  /** @param {string} fragment */
  #program(fragment) {
    let found = this.#programs.get(fragment);
    if (!found) this.#programs.set(fragment, (found = this.#compile(fragment)));
    return found;
  }

  /** @param {string} fragment @returns {Program} */
  #compile(fragment) {
    const { gl } = this;
    const program = link(gl, VERTEX, FRAGMENT_HEAD + fragment);
    const uniforms = new Map();
    for (let i = 0; i < (gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS) ?? 0); i++) {
      const active = gl.getActiveUniform(program, i);
      if (!active) continue;
      uniforms.set(active.name, { type: active.type, at: gl.getUniformLocation(program, active.name) });
    }
    return { program, uniforms };
  }
}

/**
 * Compiles and links a program; an error names what does not build.
 * @param {WebGL2RenderingContext} gl @param {string} vertex @param {string} fragment
 */
export function link(gl, vertex, fragment) {
  const program = gl.createProgram();
  for (const [type, source] of /** @type {[number, string][]} */ ([
    [gl.VERTEX_SHADER, vertex],
    [gl.FRAGMENT_SHADER, fragment],
  ])) {
    const shader = gl.createShader(type);
    if (!shader) break; // the context is lost: nothing will be drawn until it is back
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
    gl.deleteShader(shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    const logs = (gl.getAttachedShaders(program) ?? []).map((shader) => gl.getShaderInfoLog(shader));
    throw new Error(`A shader of the compositor does not build here: ${gl.getProgramInfoLog(program)} ${logs}`);
  }
  return program;
}
