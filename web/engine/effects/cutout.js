// The person alone, the rest transparent.

/** @returns {import("./index.js").Effect} */
export const cutout = () => ({
  hides: () => "background",
  shade: `vec4 shade(vec2 at, vec2 seen, vec3 frame, float person) { return vec4(frame, 1.0) * person; }`,
  prepare: () => ({}),
  forget() {},
});
