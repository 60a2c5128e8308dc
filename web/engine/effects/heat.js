// How probably each pixel is a person, in colours from blue (surely not) over green to red (surely).

/** @returns {import("./index.js").Effect} */
export const heat = () => ({
  hides: ({ opacity }) => (opacity < 1 ? null : "background"),
  shade: `
uniform float u_opacity;
vec4 shade(vec2 at, vec2 seen, vec3 frame, float person) {
  float p = probability(at, frame);
  vec3 hot = clamp(1.5 - abs(4.0 * p - vec3(3.0, 2.0, 1.0)), 0.0, 1.0);
  return vec4(mix(frame, hot, u_opacity), 1.0);
}`,
  prepare: (_painter, { view }) => ({ u_opacity: view.opacity }),
  forget() {},
});
