// Draws skeletons over the picture: a capsule a bone, a disc a keypoint, paler the less sure.
import { unpack } from "../people.js";
import { link } from "./painter.js";

const VERTEX = `#version 300 es
uniform vec2 u_size;
in vec4 a_ends;
in vec4 a_look;
in float a_radius;
out vec2 v_at;
flat out vec4 v_ends;
flat out vec4 v_look;
flat out float v_radius;
void main() {
  vec2 along = a_ends.zw - a_ends.xy;
  vec2 unit = length(along) > 0.0 ? normalize(along) : vec2(1.0, 0.0);
  vec2 side = vec2(-unit.y, unit.x);
  float reach = a_radius + 1.5;
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0 - 1.0;
  v_at = (corner.x < 0.0 ? a_ends.xy : a_ends.zw) + (corner.x * unit + corner.y * side) * reach;
  v_ends = a_ends;
  v_look = a_look;
  v_radius = a_radius;
  gl_Position = vec4(v_at / u_size * vec2(2.0, -2.0) + vec2(-1.0, 1.0), 0.0, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in vec2 v_at;
flat in vec4 v_ends;
flat in vec4 v_look;
flat in float v_radius;
out vec4 drawn;
void main() {
  vec2 along = v_ends.zw - v_ends.xy;
  vec2 from = v_at - v_ends.xy;
  float part = clamp(dot(from, along) / max(dot(along, along), 1e-6), 0.0, 1.0);
  float inside = v_radius + 0.5 - distance(from, along * part);
  float alpha = v_look.a * clamp(inside, 0.0, 1.0);
  drawn = vec4(v_look.rgb * alpha, alpha);
}`;

/** Colours of sides, as a person looking at the picture tells them apart. @type {Record<string, Color>} */
export const COLORS = { left: [1, 0.62, 0.2], right: [0.25, 0.78, 1], middle: [1, 1, 1] };

/** How thick plain skeletons are, pixels of the frame. ref: pysrc/bodylens/draw.py */
const PLAIN = { radius: 4, bone: 1 };

/** Floats an instance: two ends, colour and strength, radius. */
const STRIDE = 9;

/** @typedef {{names: string[], sides: string[], edges: [number, number][], alone?: boolean}} Topology `alone`: the masks are
 *   of the people that were found, and of no one else */

export class Skeletons {
  #values = new Float32Array(64 * STRIDE);

  /** @param {WebGL2RenderingContext} gl */
  constructor(gl) {
    this.gl = gl;
    const before = gl.getParameter(gl.VERTEX_ARRAY_BINDING);
    this.program = link(gl, VERTEX, FRAGMENT);
    this.size = gl.getUniformLocation(this.program, "u_size");
    this.array = gl.createVertexArray();
    this.buffer = gl.createBuffer();
    gl.bindVertexArray(this.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer);
    let at = 0;
    for (const [name, length] of /** @type {[string, number][]} */ ([
      ["a_ends", 4],
      ["a_look", 4],
      ["a_radius", 1],
    ])) {
      const place = gl.getAttribLocation(this.program, name);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, length, gl.FLOAT, false, 4 * STRIDE, 4 * at);
      gl.vertexAttribDivisor(place, 1);
      at += length;
    }
    gl.bindVertexArray(before);
  }

  /**
   * Draws on what the canvas shows.
   * @param {Float64Array} packed people, as record.py packs them
   * @param {Topology} topology
   * @param {Pick<View, "mirror" | "confidence" | "plain" | "color">} view keypoints less sure than `confidence` are
   *   left out
   */
  draw(packed, { sides, edges }, { mirror, confidence, plain, color: one }) {
    const { gl } = this;
    const { width, height, n, k, d, keypoints, scores } = unpack(packed);
    if (!n || !k) return;
    const scale = gl.drawingBufferWidth / width;
    const count = n * (k + edges.length);
    if (this.#values.length < count * STRIDE) this.#values = new Float32Array(count * STRIDE);
    const values = this.#values;
    const usual = Math.max(1.5, Math.min(gl.drawingBufferWidth, gl.drawingBufferHeight) / 180);
    const [radius, bone] = plain ? [PLAIN.radius * scale, PLAIN.bone * scale] : [usual, 0.6 * usual];
    let drawn = 0;
    /** @param {number} a @param {number} b @param {Color} color @param {number} alpha @param {number} thick */
    const put = (a, b, color, alpha, thick) => {
      let at = STRIDE * drawn++;
      for (const i of [a, b]) {
        const x = keypoints[d * i] * scale;
        values[at++] = mirror ? gl.drawingBufferWidth - x : x;
        values[at++] = keypoints[d * i + 1] * scale;
      }
      values.set([...color, alpha, thick], at);
    };
    for (let person = 0; person < n; person++) {
      const first = person * k;
      for (const [a, b] of edges) {
        const sure = Math.min(scores[first + a], scores[first + b]);
        if (sure < confidence) continue;
        const color = plain ? one : sides[a] === sides[b] ? COLORS[sides[a]] : COLORS.middle;
        put(first + a, first + b, color, plain ? 1 : 0.35 + 0.55 * sure, bone);
      }
      for (let i = 0; i < k; i++) {
        const sure = scores[first + i];
        const color = plain ? one : COLORS[sides[i]];
        if (sure >= confidence) put(first + i, first + i, color, plain ? 1 : 0.4 + 0.6 * sure, radius);
      }
    }
    this.#paint(height * scale, drawn);
  }

  /** @param {number} height of the picture on the canvas, pixels @param {number} count */
  #paint(height, count) {
    const { gl } = this;
    const before = gl.getParameter(gl.VERTEX_ARRAY_BINDING);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.useProgram(this.program);
    gl.uniform2f(this.size, gl.drawingBufferWidth, height);
    gl.bindVertexArray(this.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer);
    gl.bufferData(gl.ARRAY_BUFFER, this.#values.subarray(0, count * STRIDE), gl.STREAM_DRAW);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, count);
    gl.disable(gl.BLEND);
    gl.bindVertexArray(before);
  }
}
