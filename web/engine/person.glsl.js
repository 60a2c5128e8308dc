// GLSL: how much of a pixel is person. The small mask is enlarged along the edges of the picture.
// ref: J. Kopf et al., "Joint Bilateral Upsampling", SIGGRAPH 2007.

/**
 * The frame at the mask's resolution, or at a multiple of it (rgb, averaged) beside the mask's probability (a): one look-up a tap later on.
 * Where a whole neighbourhood is surely person or surely not, a is exactly 1 or 0, and nowhere else.
 */
export const GUIDE = `
uniform sampler2D u_frame;
uniform sampler2D u_mask;
uniform mat3 u_place;   // mask → frame, both 0..1
uniform vec2 u_texel;   // 1 / size of the mask
uniform vec2 u_edge;    // probabilities where the soft edge begins and ends
uniform float u_late;   // whether the mask holds logits
out vec4 guide;
float chance(vec2 at) {
  float value = texture(u_mask, at).r;
  return u_late > 0.5 ? 1.0 / (1.0 + exp(-value)) : value;
}
vec3 seen(vec2 at) { return texture(u_frame, (u_place * vec3(at, 1.0)).xy).rgb; }
void main() {
  // Nine look-ups see 5 × 5 probabilities, up to four at once: their mean bounds each of the four.
  float least = 1.0, most = 0.0;
  for (int y = -1; y <= 1; y++)
    for (int x = -1; x <= 1; x++) {
      float near = chance(v_at + 1.5 * vec2(x, y) * u_texel);
      least = min(least, near);
      most = max(most, near);
    }
  if (4.0 * most <= u_edge.x) guide = vec4(seen(v_at), 0.0);
  else if (4.0 * (1.0 - least) <= 1.0 - u_edge.y) guide = vec4(seen(v_at), 1.0);
  else {
    vec3 sum = vec3(0.0);
    for (int y = -1; y <= 1; y++)
      for (int x = -1; x <= 1; x++) sum += seen(v_at + vec2(x, y) * u_texel / 3.0);
    guide = vec4(sum / 9.0, clamp(chance(v_at), 1.0 / 255.0, 254.0 / 255.0));
  }
}`;

/** Declares `float person(vec2 at, vec3 color)`: `at` in the frame, 0..1; `color` of the frame there. */
export const PERSON = `
uniform sampler2D u_guide;
uniform mat3 u_region;  // frame → mask, both 0..1
uniform vec2 u_texel;   // 1 / size of the mask
uniform vec2 u_edge;    // as above
uniform float u_refine;

float probability(vec2 at, vec3 color) {
  vec2 uv = (u_region * vec3(at, 1.0)).xy;
  vec2 outside = abs(uv - 0.5);
  if (max(outside.x, outside.y) > 0.5) return 0.0;
  float plain = texture(u_guide, uv).a;
  if (u_refine < 0.5 || plain < 0.001 || plain > 0.999) return plain;
  float sum = 0.0, weights = 0.0;
  for (int y = -2; y <= 2; y++)
    for (int x = -2; x <= 2; x++) {
      vec2 step = vec2(x, y);
      vec4 tap = texture(u_guide, uv + step * u_texel);
      vec3 difference = tap.rgb - color;
      float weight = exp(-dot(step, step) / 4.0) * (exp(-dot(difference, difference) * 50.0) + 0.001);
      sum += weight * tap.a;
      weights += weight;
    }
  return sum / weights;
}

float person(vec2 at, vec3 color) {
  return smoothstep(u_edge.x, u_edge.y, probability(at, color));
}
`;
