// The frame as it came.

/** @returns {import("./index.js").Effect} */
export const none = () => ({
  hides: () => null,
  shade: `vec4 shade(vec2 at, vec2 seen, vec3 frame, float person) { return vec4(frame, 1.0); }`,
  prepare: () => ({}),
  forget() {},
});
