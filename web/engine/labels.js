// Which part of whose body each pixel is, found on the graphics card: from BodyPix's maps, or from skeletons.
// The rules are those of pysrc/bodylens/segmentation.py, instances.py and limb_parts.py, and the results equal theirs.
import { CAPSULE, unpack } from "../people.js";
import { fromFrame } from "./region.js";

/** @typedef {import("./painter.js").Target} Target */
/** @typedef {{data: Float32Array, width: number, height: number, stride: number,
 *   keep: import("./masks.js").Keep}} Plane */

/** Keypoints of COCO, to which long offsets lead. */
const KEYPOINTS = 17;

/** Lays a grid over pixels: its cells are mixed bilinearly, and never labels. */
const GRID = `
uniform mat3 u_region;   // frame → grid, both 0..1
uniform ivec2 u_cells;   // of the grid, across and down
struct Cell { ivec2 low; ivec2 high; vec2 part; bool inside; };
Cell cell(vec2 at) {
  vec2 uv = (u_region * vec3(at, 1.0)).xy;
  vec2 outside = abs(uv - 0.5);
  vec2 p = clamp(uv * vec2(u_cells) - 0.5, vec2(0.0), vec2(u_cells - 1));
  ivec2 low = min(ivec2(p), max(u_cells - 2, 0));
  return Cell(low, min(low + 1, u_cells - 1), p - vec2(low), max(outside.x, outside.y) <= 0.5);
}
float mixed(vec4 corners, vec2 part) {
  vec2 rows = mix(corners.xz, corners.yw, part.x);
  return mix(rows.x, rows.y, part.y);
}
float plane(sampler2D map, Cell c, int number) {
  int row = number * u_cells.y;
  return mixed(vec4(texelFetch(map, c.low + ivec2(0, row), 0).r, texelFetch(map, ivec2(c.high.x, c.low.y + row), 0).r,
    texelFetch(map, ivec2(c.low.x, c.high.y + row), 0).r, texelFetch(map, c.high + ivec2(0, row), 0).r), c.part);
}`;

/** Follows the long offsets from each cell: 17 grids, one below the other, of where its person's keypoints should be. */
const EXPECTED = `
uniform sampler2D u_offsets;
uniform ivec2 u_cells;
uniform float u_stride;
uniform int u_steps;
out uvec4 place;
vec2 way(int keypoint, vec2 at) {
  vec2 p = clamp(at, vec2(0.0), vec2(u_cells - 1));
  ivec2 low = ivec2(p);
  ivec2 high = min(low + 1, u_cells - 1);
  vec2 part = p - vec2(low);
  int y = keypoint * u_cells.y, x = (keypoint + ${KEYPOINTS}) * u_cells.y;
  vec4 weights = vec4((1.0 - part.x) * (1.0 - part.y), part.x * (1.0 - part.y), (1.0 - part.x) * part.y, part.x * part.y);
  vec4 down = vec4(texelFetch(u_offsets, low + ivec2(0, y), 0).r, texelFetch(u_offsets, ivec2(high.x, low.y + y), 0).r,
    texelFetch(u_offsets, ivec2(low.x, high.y + y), 0).r, texelFetch(u_offsets, high + ivec2(0, y), 0).r);
  vec4 across = vec4(texelFetch(u_offsets, low + ivec2(0, x), 0).r, texelFetch(u_offsets, ivec2(high.x, low.y + x), 0).r,
    texelFetch(u_offsets, ivec2(low.x, high.y + x), 0).r, texelFetch(u_offsets, high + ivec2(0, x), 0).r);
  return vec2(dot(weights, across), dot(weights, down)) / u_stride;
}
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  int keypoint = at.y / u_cells.y;
  vec2 p = vec2(at.x, at.y - keypoint * u_cells.y);
  p += way(keypoint, p);
  for (int i = 0; i < u_steps; i++) p += way(keypoint, p);
  place = uvec4(floatBitsToUint(p), 0u, 0u);
}`;

/** How far each person is from what a cell expects: a grid a person, one below the other. Squared cells. */
const DISTANCES = `
uniform usampler2D u_expected;
uniform sampler2D u_people;  // keypoints across, persons down: x, y in cells, score
uniform ivec2 u_cells;
uniform float u_sure;
out uvec4 distance_;
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  int person = at.y / u_cells.y;
  int y = at.y - person * u_cells.y;
  float sum = 0.0, counted = 0.0;
  for (int k = 0; k < ${KEYPOINTS}; k++) {
    vec4 keypoint = texelFetch(u_people, ivec2(k, person), 0);
    if (keypoint.z <= u_sure) continue;
    vec2 gap = uintBitsToFloat(texelFetch(u_expected, ivec2(at.x, y + k * u_cells.y), 0).xy) - keypoint.xy;
    sum += dot(gap, gap);
    counted += 1.0;
  }
  float mean = counted > 0.0 ? sum / counted : 1e9;
  distance_ = uvec4(floatBitsToUint(mean < 1e9 ? mean : 1e9), 0u, 0u, 0u);
}`;

/** The winner of each cell: a pixel between cells of one winner needs no look at the candidates. */
const WINNERS = (/** @type {boolean} */ parts, /** @type {boolean} */ owners) => `
uniform ivec2 u_cells;
${parts ? "uniform sampler2D u_parts; uniform int u_part_count;" : ""}
${owners ? "uniform usampler2D u_distances; uniform int u_person_count;" : ""}
out vec4 winner;
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  int part = 0, owner = 0;
  ${
    parts
      ? `float most = texelFetch(u_parts, at, 0).r;
  for (int i = 1; i < u_part_count; i++) {
    float value = texelFetch(u_parts, at + ivec2(0, i * u_cells.y), 0).r;
    if (value > most) { most = value; part = i; }
  }`
      : ""
  }
  ${
    owners
      ? `float least = uintBitsToFloat(texelFetch(u_distances, at, 0).r);
  for (int i = 1; i < u_person_count; i++) {
    float value = uintBitsToFloat(texelFetch(u_distances, at + ivec2(0, i * u_cells.y), 0).r);
    if (value < least) { least = value; owner = i; }
  }`
      : ""
  }
  winner = vec4(float(part), float(owner), 0.0, 255.0) / 255.0;
}`;

const PERSON = `
uniform sampler2D u_mask;
uniform float u_least;
bool isPerson(Cell c) { return c.inside && plane(u_mask, c, 0) > u_least; }`;

/** A label is red: part + 1; green: person + 1; blue: whether it is a person at all. */
const FROM_MAPS = (/** @type {boolean} */ parts, /** @type {boolean} */ owners) => `${GRID}${PERSON}
uniform sampler2D u_winners;
${parts ? "uniform sampler2D u_parts; uniform int u_part_count;" : ""}
${owners ? "uniform usampler2D u_distances; uniform int u_person_count;" : ""}
out vec4 label;
${
  owners
    ? `float far(Cell c, int person) {
  int row = person * u_cells.y;
  return mixed(uintBitsToFloat(uvec4(texelFetch(u_distances, c.low + ivec2(0, row), 0).r,
    texelFetch(u_distances, ivec2(c.high.x, c.low.y + row), 0).r,
    texelFetch(u_distances, ivec2(c.low.x, c.high.y + row), 0).r,
    texelFetch(u_distances, c.high + ivec2(0, row), 0).r)), c.part);
}`
    : ""
}
void main() {
  Cell c = cell(v_at);
  label = vec4(0.0, 0.0, 0.0, 1.0);
  if (!isPerson(c)) return;
  ${
    parts || owners
      ? `vec2 a = texelFetch(u_winners, c.low, 0).rg, b = texelFetch(u_winners, ivec2(c.high.x, c.low.y), 0).rg;
  vec2 d = texelFetch(u_winners, ivec2(c.low.x, c.high.y), 0).rg, e = texelFetch(u_winners, c.high, 0).rg;
  ivec2 best = ivec2(a * 255.0 + 0.5);
  bvec2 same = bvec2(a.x == b.x && a.x == d.x && a.x == e.x, a.y == b.y && a.y == d.y && a.y == e.y);`
      : "ivec2 best = ivec2(0);"
  }
  ${
    parts
      ? `if (!same.x) {
    float most = plane(u_parts, c, 0);
    best.x = 0;
    for (int i = 1; i < u_part_count; i++) {
      float value = plane(u_parts, c, i);
      if (value > most) { most = value; best.x = i; }
    }
  }`
      : "best.x = -1;"
  }
  ${
    owners
      ? `if (!same.y) {
    float least = far(c, 0);
    best.y = 0;
    for (int i = 1; i < u_person_count; i++) {
      float value = far(c, i);
      if (value < least) { least = value; best.y = i; }
    }
  }`
      : ""
  }
  label = vec4(vec2(best + 1) / 255.0, 1.0, 1.0);
}`;

/** Each pixel of the mask goes to the nearest capsule; where there is no mask, each pixel inside one. */
const FROM_CAPSULES = (/** @type {boolean} */ masked) => `${masked ? GRID + PERSON : ""}
uniform sampler2D u_capsules;  // three texels a capsule: who, part, face, group; start and radius; end and solid
uniform int u_count;
uniform vec2 u_frame_size;
out vec4 label;
void main() {
  label = vec4(0.0, 0.0, 0.0, 1.0);
  ${masked ? "if (!isPerson(cell(v_at))) return;" : ""}
  vec2 at = v_at * u_frame_size;
  float nearest = 1e30, gap = 1e30, deep = 1e30;
  int owner = -1, part = -1, best = -1, who = -1;
  for (int i = 0; i < u_count;) {
    vec4 about = texelFetch(u_capsules, ivec2(0, i), 0);
    if (int(about.x) != who) {
      if (gap < nearest) { nearest = gap; owner = who; part = best; }
      who = int(about.x);
      gap = deep = 1e30;
      best = -1;
    }
    // The lines of one group are one shape.
    float least = 1e30, depth = 0.0, radius = 0.0;
    bool solid = false;
    float group = about.w;
    for (; i < u_count; i++) {
      vec4 row = texelFetch(u_capsules, ivec2(0, i), 0);
      if (row.w != group || int(row.x) != who) break;
      vec4 start = texelFetch(u_capsules, ivec2(1, i), 0), end = texelFetch(u_capsules, ivec2(2, i), 0);
      vec3 along = end.xyz - start.xyz;
      float length2 = dot(along.xy, along.xy);
      vec2 from = at - start.xy;
      float t = length2 > 0.0 ? clamp(dot(from, along.xy) / length2, 0.0, 1.0) : 0.0;
      vec2 off = from - t * along.xy;
      float away = dot(off, off);
      if (away < least) { least = away; depth = start.z + t * along.z; }
      radius = start.w;
      solid = end.w > 0.5;
    }
    float away = sqrt(least) - radius;
    if (about.z > 0.5 && away > 0.0) away *= 3.0;  // a head is round
    bool better = solid && away < 0.0 && gap < 0.0 ? depth < deep : away < gap;
    if (better) { gap = away; deep = depth; best = int(about.y); }
  }
  if (gap < nearest) { nearest = gap; owner = who; part = best; }
  ${masked ? "" : "if (nearest >= 0.0) return;"}
  label = vec4(float(part + 1) / 255.0, float(owner + 1) / 255.0, 1.0, 1.0);
}`;

export class Labels {
  /** @type {Record<"parts" | "offsets" | "people" | "capsules", import("./painter.js").Numbers | null>} */
  #numbers = { parts: null, offsets: null, people: null, capsules: null };
  /** @type {Record<"expected" | "distances" | "winners" | "labels", Target | null>} */
  #targets = { expected: null, distances: null, winners: null, labels: null };

  /** @param {import("./painter.js").Painter} painter */
  constructor(painter) {
    this.painter = painter;
  }

  /**
   * Labels every pixel.
   * @param {object} scene
   * @param {number} scene.width of the labels @param {number} scene.height
   * @param {number} scene.frameWidth pixels @param {number} scene.frameHeight
   * @param {{texture: WebGLTexture, width: number, height: number, place: number[], least: number} | null} scene.mask
   *   `place` takes the frame to the mask, both 0..1; a cell counts above `least`
   * @param {import("./compositor.js").Bodies | null} scene.bodies
   * @returns {Target} red: part + 1; green: the person's row + 1; blue: whether a person is there. 0..1 stands for 0..255.
   */
  draw({ width, height, frameWidth, frameHeight, mask, bodies }) {
    const { painter } = this;
    const labels = (this.#targets.labels = painter.target(this.#targets.labels, width, height));
    /** @type {Record<string, import("./painter.js").Uniform>} */
    const uniforms = { u_frame_size: [frameWidth, frameHeight] };
    if (mask) {
      Object.assign(uniforms, {
        u_mask: mask.texture,
        u_region: mask.place,
        u_cells: [mask.width, mask.height],
        u_least: mask.least,
      });
    }
    const people = bodies && unpack(bodies.packed);
    const rows = people ? people.capsules.length / CAPSULE : 0;
    if (people && rows) {
      const { capsules } = people;
      const numbers = (this.#numbers.capsules = painter.numbers(
        this.#numbers.capsules,
        4,
        3,
        rows,
        arranged(capsules),
      ));
      Object.assign(uniforms, { u_capsules: numbers.texture, u_count: rows });
      painter.pass(FROM_CAPSULES(mask !== null), uniforms, labels);
    } else if (mask) {
      const parts = bodies?.parts ?? null;
      const offsets = (people?.n && bodies?.offsets) || null;
      if (parts) Object.assign(uniforms, this.#parts(parts));
      if (people && offsets) Object.assign(uniforms, this.#distances(people, offsets, bodies?.region ?? null));
      if (parts || offsets) {
        const winners = (this.#targets.winners = painter.target(this.#targets.winners, mask.width, mask.height));
        painter.pass(WINNERS(parts !== null, offsets !== null), uniforms, winners);
        uniforms.u_winners = winners.texture;
      }
      painter.pass(FROM_MAPS(parts !== null, offsets !== null), uniforms, labels);
    } else painter.clear(labels);
    return labels;
  }

  /** @param {Plane} parts */
  #parts({ data, width, height }) {
    const planes = data.length / (width * height);
    const numbers = (this.#numbers.parts = this.painter.numbers(this.#numbers.parts, 1, width, planes * height, data));
    return { u_parts: numbers.texture, u_part_count: planes };
  }

  /**
   * How far people are from what the cells expect.
   * @param {ReturnType<typeof unpack>} people @param {Plane} offsets
   * @param {import("./region.js").Region | null} region that the grid covers
   */
  #distances({ n, d, keypoints, scores }, { data, width, height, stride, keep }, region) {
    if (!region) throw new Error("Long offsets came without the region that they cover.");
    const { painter } = this;
    const [a, c, e, b, f, g] = fromFrame(region);
    const inCells = new Float32Array(4 * n * KEYPOINTS);
    for (let i = 0; i < n * KEYPOINTS; i++) {
      const [x, y] = [keypoints[d * i], keypoints[d * i + 1]];
      inCells.set([(a * x + c * y + e) * width - 0.5, (b * x + f * y + g) * height - 0.5, scores[i], 0], 4 * i);
    }
    const numbers = this.#numbers;
    numbers.offsets = painter.numbers(numbers.offsets, 1, width, 2 * KEYPOINTS * height, data);
    numbers.people = painter.numbers(numbers.people, 4, KEYPOINTS, n, inCells);
    const targets = this.#targets;
    targets.expected = painter.target(targets.expected, width, KEYPOINTS * height, "RG32UI");
    targets.distances = painter.target(targets.distances, width, n * height, "R32UI");
    const u_cells = [width, height];
    painter.pass(
      EXPECTED,
      { u_offsets: numbers.offsets.texture, u_cells, u_stride: stride, u_steps: keep.refineSteps },
      targets.expected,
    );
    painter.pass(
      DISTANCES,
      { u_expected: targets.expected.texture, u_people: numbers.people.texture, u_cells, u_sure: keep.threshold },
      targets.distances,
    );
    return { u_distances: targets.distances.texture, u_person_count: n };
  }
}

/** Capsules as the shader reads them. ref: `capsules` in pysrc/bodylens/limb_parts.py @param {Float64Array} capsules */
function arranged(capsules) {
  const texels = new Float32Array(capsules.length);
  for (let i = 0; i < capsules.length; i += CAPSULE) {
    const [who, part, face, ax, ay, az, bx, by, bz, radius, solid, group] = capsules.subarray(i, i + CAPSULE);
    texels.set([who, part, face, group, ax, ay, az, radius, bx, by, bz, solid], i);
  }
  return texels;
}
