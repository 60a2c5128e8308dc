// Which part of whose body each pixel is, found on the graphics card: from BodyPix's maps, or from skeletons.
// The rules are those of pysrc/bodylens/segmentation.py, instances.py and limb_parts.py, and the results equal theirs.
import { CAPSULE, unpack } from "../people.js";
import { fromFrame } from "./region.js";

// What hides people errs on the side of hiding. ref: `Segmentation.hidden`, `limb_parts.hidden_parts`
/** Share of the threshold from which a place may be a person. */
export const DOUBTFUL = 0.5;
/** By how much a hidden part's logit may be below the highest. */
const MARGIN = 1;
/** How many radii from its line a hidden face reaches, and what a body explains. */
const FACE = 1.6;
const EXPLAINED = 2;
/** How many of its least radii a body reaches whose face is not seen. */
const FACELESS = 9;
/** Share of people's places that no body explains, above which more people are there than were found. */
const OTHERS = 1 / 3;
/** Places that are looked at along the longer side of a mask. */
const LOOKS = 48;

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

/** The logits of parts. A part that is hidden wins where it is nearly as probable. */
const PARTS = `
uniform sampler2D u_parts;
uniform int u_part_count;
uniform int u_hidden;  // a bit a part
bool hides(int part) { return (u_hidden >> part & 1) == 1; }
float above(int part) { return hides(part) ? ${MARGIN.toFixed(1)} : 0.0; }`;

/** The winner of each cell: a pixel between cells of one winner needs no look at the candidates. */
const WINNERS = (/** @type {boolean} */ parts, /** @type {boolean} */ owners) => `
uniform ivec2 u_cells;
${parts ? PARTS : ""}
${owners ? "uniform usampler2D u_distances; uniform int u_person_count;" : ""}
out vec4 winner;
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  int part = 0, owner = 0;
  ${
    parts
      ? `float most = texelFetch(u_parts, at, 0).r + above(0);
  for (int i = 1; i < u_part_count; i++) {
    float value = texelFetch(u_parts, at + ivec2(0, i * u_cells.y), 0).r + above(i);
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

/** A label is red: part + 1; green: person + 1; blue: whether it is a person at all; alpha: whether it is to be hidden. */
const FROM_MAPS = (/** @type {boolean} */ parts, /** @type {boolean} */ owners) => `${GRID}${PERSON}
uniform sampler2D u_winners;
${parts ? PARTS : ""}
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
  label = vec4(0.0);
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
    float most = plane(u_parts, c, 0) + above(0);
    best.x = 0;
    for (int i = 1; i < u_part_count; i++) {
      float value = plane(u_parts, c, i) + above(i);
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
  label = vec4(vec2(best + 1) / 255.0, 1.0, ${parts ? "hides(best.x) ? 1.0 : 0.0" : "1.0"});
}`;

/**
 * Each pixel of the mask goes to the nearest capsule; where there is no mask, each pixel inside one. Where something is
 * to be hidden, it says so as well.
 */
const FROM_CAPSULES = (/** @type {boolean} */ masked, /** @type {boolean} */ hiding) => `${masked ? GRID + PERSON : ""}
uniform sampler2D u_capsules;  // a row a capsule: who, part, face, group; start and radius; end and solid; hidden reach
uniform int u_count;
uniform vec2 u_frame_size;
uniform vec4 u_reach;    // the rectangle of all hidden reaches, in pixels of the frame
uniform float u_others;  // whether there are people who were not found
out vec4 label;
void main() {
  label = vec4(0.0);
  vec2 at = v_at * u_frame_size;
  bool person = ${masked ? "isPerson(cell(v_at))" : "true"};
  ${hiding ? "if (!person && (any(lessThan(at, u_reach.xy)) || any(greaterThan(at, u_reach.zw)))) return;" : ""}
  ${hiding ? "" : "if (!person) return;"}
  float nearest = 1e30, gap = 1e30, deep = 1e30, radii = 1e30;
  int owner = -1, part = -1, best = -1, who = -1;
  bool covered = false, hides = false, hidden = false;
  for (int i = 0; i < u_count;) {
    vec4 about = texelFetch(u_capsules, ivec2(0, i), 0);
    if (int(about.x) != who) {
      if (gap < nearest) { nearest = gap; owner = who; part = best; hidden = hides; }
      who = int(about.x);
      gap = deep = 1e30;
      best = -1;
    }
    float reach = texelFetch(u_capsules, ivec2(3, i), 0).x;
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
    float away = sqrt(least);
    covered = covered || away < reach;
    radii = min(radii, away / radius);
    away -= radius;
    if (about.z > 0.5 && away > 0.0) away *= 3.0;  // a head is round
    bool better = solid && away < 0.0 && gap < 0.0 ? depth < deep : away < gap;
    if (better) { gap = away; deep = depth; best = int(about.y); hides = reach > 0.0; }
  }
  if (gap < nearest) { nearest = gap; owner = who; part = best; hidden = hides; }
  ${hiding ? `label.a = float(covered || person && (hidden || radii > ${EXPLAINED.toFixed(1)} || u_others > 0.5));` : ""}
  if (person${masked ? "" : " && nearest < 0.0"}) label.rgb = vec3(float(part + 1) / 255.0, float(owner + 1) / 255.0, 1.0);
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
   * @param {(MaskImage & {texture: WebGLTexture, place: number[], least: number}) | null} scene.mask
   *   `place` takes the frame to the mask, both 0..1; a cell counts above `least`
   * @param {import("./compositor.js").Bodies | null} scene.bodies
   * @param {number[]} scene.hidden numbers of the parts that are to be hidden
   * @returns {Target} red: part + 1; green: the person's row + 1; blue: whether a person is there; alpha: whether it is to be
   *   hidden. 0..1 stands for 0..255.
   */
  draw({ width, height, frameWidth, frameHeight, mask, bodies, hidden }) {
    const { painter } = this;
    const labels = (this.#targets.labels = painter.target(this.#targets.labels, width, height));
    /** @type {Record<string, import("./painter.js").Uniform>} */
    const uniforms = {
      u_frame_size: [frameWidth, frameHeight],
      u_hidden: hidden.reduce((bits, part) => bits | (1 << part), 0),
    };
    // A mask that tells of the found people alone says nothing of where others are.
    if (hidden.length && bodies?.topology.alone) mask = null;
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
      const reaches = hidden.length ? hiddenReaches(capsules, hidden) : null;
      const texels = arranged(capsules, reaches);
      const numbers = (this.#numbers.capsules = painter.numbers(this.#numbers.capsules, 4, 4, rows, texels));
      Object.assign(uniforms, { u_capsules: numbers.texture, u_count: rows });
      if (reaches) {
        uniforms.u_reach = rectangle(capsules, reaches);
        uniforms.u_others = Number(mask !== null && unexplained(capsules, mask) > OTHERS);
      }
      painter.pass(FROM_CAPSULES(mask !== null, reaches !== null), uniforms, labels);
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

/**
 * Capsules as the shader reads them. ref: `capsules` in pysrc/bodylens/limb_parts.py
 * @param {Float64Array} capsules @param {Float64Array | null} reaches
 */
function arranged(capsules, reaches) {
  const texels = new Float32Array((capsules.length / CAPSULE) * 16);
  for (let i = 0, at = 0; at < capsules.length; i++, at += CAPSULE) {
    const [who, part, face, ax, ay, az, bx, by, bz, radius, solid, group] = capsules.subarray(at, at + CAPSULE);
    texels.set([who, part, face, group, ax, ay, az, radius, bx, by, bz, solid, reaches?.[i] ?? 0], 16 * i);
  }
  return texels;
}

/**
 * How far from its line each capsule hides everything, pixels; 0 where it hides nothing.
 * @param {Float64Array} capsules @param {number[]} hidden parts
 */
function hiddenReaches(capsules, hidden) {
  const rows = Array.from({ length: capsules.length / CAPSULE }, (_, i) => capsules.subarray(CAPSULE * i));
  /** @type {Map<number, number>} */
  const least = new Map();
  for (const row of rows) least.set(row[0], Math.min(row[9], least.get(row[0]) ?? Infinity));
  const faces = new Set(rows.flatMap(([who, , face]) => (face ? [who] : [])));
  const hidesFaces = hidden.includes(0) || hidden.includes(1);
  return Float64Array.from(rows, ([who, part, face, , , , , , , radius]) => {
    if (hidesFaces && !faces.has(who)) return FACELESS * (least.get(who) ?? radius);
    return hidden.includes(part) ? (face ? FACE : 1) * radius : 0;
  });
}

/** What all that reaches covers: left, top, right, bottom. @param {Float64Array} capsules @param {Float64Array} reaches */
function rectangle(capsules, reaches) {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [i, reach] of reaches.entries()) {
    if (!reach) continue;
    const [ax, ay, , bx, by] = capsules.subarray(CAPSULE * i + 3);
    left = Math.min(left, ax - reach, bx - reach);
    top = Math.min(top, ay - reach, by - reach);
    right = Math.max(right, ax + reach, bx + reach);
    bottom = Math.max(bottom, ay + reach, by + reach);
  }
  return [left, top, right, bottom];
}

/**
 * The share of the places where people are that no capsule explains.
 * @param {Float64Array} capsules @param {MaskImage & {least: number}} mask
 */
function unexplained(capsules, { data, width, height, matrix, least }) {
  const step = Math.max(1, Math.floor(Math.max(width, height) / LOOKS));
  const [a, c, e, b, d, f] = matrix;
  let [people, others] = [0, 0];
  for (let y = step >> 1; y < height; y += step)
    for (let x = step >> 1; x < width; x += step) {
      if (data[y * width + x] <= least) continue;
      people++;
      const [u, v] = [(x + 0.5) / width, (y + 0.5) / height];
      if (!isExplained(capsules, a * u + c * v + e, b * u + d * v + f)) others++;
    }
  return people ? others / people : 0;
}

/** Whether a place is near a capsule. @param {Float64Array} capsules @param {number} x @param {number} y */
function isExplained(capsules, x, y) {
  for (let i = 0; i < capsules.length; i += CAPSULE) {
    const [ax, ay, bx, by] = [capsules[i + 3], capsules[i + 4], capsules[i + 6], capsules[i + 7]];
    const [alongX, alongY, fromX, fromY] = [bx - ax, by - ay, x - ax, y - ay];
    const length2 = alongX * alongX + alongY * alongY;
    const t = length2 ? Math.min(Math.max((fromX * alongX + fromY * alongY) / length2, 0), 1) : 0;
    if (Math.hypot(fromX - t * alongX, fromY - t * alongY) <= EXPLAINED * capsules[i + 9]) return true;
  }
  return false;
}
