// The whole frame in so few colours that nobody can be told from it: where it is not known what an effect must hide.
// ref: `conceal` in pysrc/bodylens/draw.py

/** Colours along the longer side. Nothing else of the frame is left, however sharp it was. */
const CELLS = 16;

const SHRINK = `
uniform sampler2D u_frame;
uniform vec2 u_footprint;  // size of a cell in the frame, 0..1
out vec4 cell;
void main() {
  cell = vec4(0.0);
  for (int y = 0; y < 16; y++)
    for (int x = 0; x < 16; x++) cell += texture(u_frame, v_at + ((vec2(x, y) + 0.5) / 16.0 - 0.5) * u_footprint);
  cell /= 256.0;
}`;

/** @returns {import("./index.js").Effect} */
export const conceal = () => {
  /** @type {import("../painter.js").Target | null} */
  let cells = null;
  return {
    hides: () => "background",
    shade: `
uniform sampler2D u_cells;
vec4 shade(vec2 at, vec2 seen, vec3 frame, float person) { return vec4(texture(u_cells, at).rgb, 1.0); }`,
    prepare(painter, { frameWidth, frameHeight, uniforms }) {
      const longest = Math.max(frameWidth, frameHeight);
      const [across, down] = [frameWidth, frameHeight].map((side) => Math.max(1, Math.round((CELLS * side) / longest)));
      cells = painter.target(cells, across, down);
      painter.pass(SHRINK, { ...uniforms, u_footprint: [1 / across, 1 / down] }, cells);
      return { u_cells: cells.texture };
    },
    forget() {
      cells = null;
    },
  };
};
