// Tints the person, to see what the network found.

/** @returns {import("./index.js").Effect} */
export const mask = () => ({
  hides: ({ opacity }) => (opacity < 1 ? null : "people"),
  shade: `
uniform vec3 u_color;
uniform float u_opacity;
vec4 shade(vec2 at, vec2 seen, vec3 frame, float person) {
  return vec4(mix(frame, u_color, person * u_opacity), 1.0);
}`,
  prepare: (_painter, { view }) => ({ u_color: view.color, u_opacity: view.opacity }),
  forget() {},
});
