// The person before one plain colour.

/** @returns {import("./index.js").Effect} */
export const color = () => ({
  hides: () => "background",
  shade: `
uniform vec3 u_color;
vec4 shade(vec2 at, vec2 seen, vec3 frame, float person) { return vec4(mix(u_color, frame, person), 1.0); }`,
  prepare: (_painter, { view }) => ({ u_color: view.color }),
  forget() {},
});
