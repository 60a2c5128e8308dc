// Which part of whose body each cell of a grid over the frame is, for browsers whose workers have no WebGL2.
// The rules are those of labels.js, and so of pysrc/bodylens/segmentation.py, instances.py and limb_parts.py.
import { CAPSULE, unpack } from "../people.js";
import { fromFrame } from "./region.js";

/** Keypoints of COCO, to which long offsets lead. */
const KEYPOINTS = 17;
/** As far as nobody is. ref: pysrc/bodylens/instances.py */
const FAR = 1e9;
/** How much farther than it is what lies outside a head seems: a head is round. ref: pysrc/bodylens/limb_parts.py */
const ROUND = 3;

/**
 * @typedef {{ax: number, ay: number, az: number, across: number, down: number, deeper: number, length: number}} Line
 *   `length` is squared
 * @typedef {{part: number, face: boolean, radius: number, solid: boolean, lines: Line[]}} Shape
 * @typedef {{who: number, shapes: Shape[], left: number, top: number, right: number, bottom: number}} Body and its box
 */

/** Reads planes between their cells, bilinearly, the border repeated. */
class Sampler {
  #at = new Int32Array(4);
  #weight = new Float64Array(4);

  /** @param {number} width cells @param {number} height */
  constructor(width, height) {
    this.width = width;
    this.height = height;
  }

  /** @param {number} x cells, 0 in the middle of the first @param {number} y */
  move(x, y) {
    const { width, height } = this;
    const right = Math.min(Math.max(x, 0), width - 1);
    const down = Math.min(Math.max(y, 0), height - 1);
    const [left, top] = [Math.floor(right), Math.floor(down)];
    const [u, v] = [right - left, down - top];
    const at = this.#at;
    at[0] = top * width + left;
    at[1] = at[0] + (left < width - 1 ? 1 : 0);
    const below = top < height - 1 ? width : 0;
    at[2] = at[0] + below;
    at[3] = at[1] + below;
    const weight = this.#weight;
    weight[0] = (1 - u) * (1 - v);
    weight[1] = u * (1 - v);
    weight[2] = (1 - u) * v;
    weight[3] = u * v;
  }

  /** @param {Float32Array} planes one below the other @param {number} number of the plane */
  read(planes, number) {
    const from = number * this.width * this.height;
    let sum = 0;
    for (let i = 0; i < 4; i++) sum += this.#weight[i] * planes[from + this.#at[i]];
    return sum;
  }

  /** Which plane is the greatest here. @param {Float32Array} planes @param {number} sign -1 for the least */
  winner(planes, sign) {
    const count = planes.length / (this.width * this.height);
    let [best, most] = [0, sign * this.read(planes, 0)];
    for (let i = 1; i < count; i++) {
      const value = sign * this.read(planes, i);
      if (value > most) [best, most] = [i, value];
    }
    return best;
  }
}

/**
 * Labels every cell of a grid over the frame.
 * @param {object} scene
 * @param {number} scene.width cells @param {number} scene.height
 * @param {number} scene.frameWidth pixels @param {number} scene.frameHeight
 * @param {MaskImage | null} scene.mask
 * @param {number} scene.threshold a cell counts above it, a probability
 * @param {import("./compositor.js").Bodies | null} scene.bodies
 * @returns {{parts: Int8Array, owners: Int16Array, person: Uint8Array}} numbers of parts and rows of people, -1 for
 *   none or unknown, and whether a person is there
 */
export function plainLabels({ width, height, frameWidth, frameHeight, mask, threshold, bodies }) {
  const parts = new Int8Array(width * height).fill(-1);
  const owners = new Int16Array(width * height).fill(-1);
  const person = new Uint8Array(width * height);
  const people = bodies && unpack(bodies.packed);
  const skeletons = people ? arranged(people.capsules) : [];
  const maps = bodies?.parts?.data;
  const far = people?.n && bodies?.offsets ? distances(people, bodies.offsets, bodies.region) : null;
  const sampler = mask && new Sampler(mask.width, mask.height);
  const [a, c, e, b, d, f] = mask ? inverse(mask.matrix) : [];
  const least = mask?.late ? Math.log(threshold / (1 - threshold)) : threshold;
  for (let row = 0, i = 0; row < height; row++) {
    const y = ((row + 0.5) * frameHeight) / height;
    for (let column = 0; column < width; column++, i++) {
      const x = ((column + 0.5) * frameWidth) / width;
      if (mask && sampler) {
        const [u, v] = [a * x + c * y + e, b * x + d * y + f];
        if (Math.max(Math.abs(u - 0.5), Math.abs(v - 0.5)) > 0.5) continue;
        sampler.move(u * mask.width - 0.5, v * mask.height - 0.5);
        if (!(sampler.read(mask.data, 0) > least)) continue;
      }
      if (skeletons.length) {
        const { part, who } = nearest(skeletons, x, y, mask ? Infinity : 0);
        if (who < 0) continue;
        [parts[i], owners[i]] = [part, who];
      } else if (sampler) {
        if (maps) parts[i] = sampler.winner(maps, 1);
        owners[i] = far ? sampler.winner(far, -1) : 0;
      } else continue;
      person[i] = 1;
    }
  }
  return { parts, owners, person };
}

/** Pixels of the frame to the unit square of a mask. @param {ArrayLike<number>} matrix of the mask */
function inverse({ 0: a, 1: c, 2: e, 3: b, 4: d, 5: f }) {
  const det = a * d - b * c;
  return [d / det, -c / det, (c * f - d * e) / det, -b / det, a / det, (b * e - a * f) / det];
}

/** Whose capsules they are. ref: `capsules` in pysrc/bodylens/limb_parts.py @param {Float64Array} capsules @returns {Body[]} */
function arranged(capsules) {
  /** @type {Body[]} */
  const bodies = [];
  let last = NaN;
  for (let i = 0; i < capsules.length; i += CAPSULE) {
    const [who, part, face, ax, ay, az, bx, by, bz, radius, solid, group] = capsules.subarray(i, i + CAPSULE);
    if (bodies.at(-1)?.who !== who) {
      bodies.push({ who, shapes: [], left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity });
      last = NaN;
    }
    const body = bodies[bodies.length - 1];
    body.left = Math.min(body.left, ax - radius, bx - radius);
    body.top = Math.min(body.top, ay - radius, by - radius);
    body.right = Math.max(body.right, ax + radius, bx + radius);
    body.bottom = Math.max(body.bottom, ay + radius, by + radius);
    // The lines of one group are one shape.
    if (group !== last) body.shapes.push({ part, face: face > 0.5, radius, solid: solid > 0.5, lines: [] });
    last = group;
    const [across, down] = [bx - ax, by - ay];
    const line = { ax, ay, az, across, down, deeper: bz - az, length: across * across + down * down };
    body.shapes[body.shapes.length - 1].lines.push(line);
  }
  return bodies;
}

/**
 * The capsule that a pixel is nearest to, and how far outside it is.
 * @param {Body[]} bodies @param {number} x @param {number} y @param {number} reach what is farther off does not count
 */
function nearest(bodies, x, y, reach) {
  const found = { gap: reach, part: -1, who: -1 };
  for (const { who, shapes, left, top, right, bottom } of bodies) {
    const beside = Math.max(left - x, x - right, 0);
    const above = Math.max(top - y, y - bottom, 0);
    const outside = beside * beside + above * above;
    if (outside > 0 && (found.gap <= 0 || outside >= found.gap * found.gap)) continue; // nothing of them is nearer
    let gap = Infinity;
    let deep = Infinity;
    let best = -1;
    for (const { part, face, radius, solid, lines } of shapes) {
      let least = Infinity;
      let depth = 0;
      for (const { ax, ay, az, across, down, deeper, length } of lines) {
        const right = x - ax;
        const below = y - ay;
        const t = length > 0 ? Math.min(1, Math.max(0, (right * across + below * down) / length)) : 0;
        const u = right - t * across;
        const v = below - t * down;
        const off = u * u + v * v;
        if (off < least) {
          least = off;
          depth = az + t * deeper;
        }
      }
      let away = Math.sqrt(least) - radius;
      if (face && away > 0) away *= ROUND;
      if (solid && away < 0 && gap < 0 ? depth < deep : away < gap) {
        gap = away;
        deep = depth;
        best = part;
      }
    }
    if (gap < found.gap) {
      found.gap = gap;
      found.part = best;
      found.who = who;
    }
  }
  return found;
}

/**
 * How far people are from what each cell expects: a plane a person, squared cells.
 * @param {ReturnType<typeof unpack>} people
 * @param {import("./labels.js").Plane} offsets
 * @param {import("./region.js").Region} [region] that the grid covers
 */
function distances({ n, d, keypoints, scores }, { data, width, height, stride, keep }, region) {
  if (!region) throw new Error("Long offsets came without the region that they cover.");
  const [a, c, e, b, f, g] = fromFrame(region);
  const area = width * height;
  const sums = new Float32Array(n * area);
  const counted = new Int32Array(n);
  const field = new Sampler(width, height);
  for (let k = 0; k < KEYPOINTS; k++) {
    const sure = Array.from({ length: n }, (_, person) => person).filter(
      (person) => scores[person * KEYPOINTS + k] > keep.threshold,
    );
    if (!sure.length) continue;
    const places = sure.map((person) => {
      const at = d * (person * KEYPOINTS + k);
      const [x, y] = [keypoints[at], keypoints[at + 1]];
      return [(a * x + c * y + e) * width - 0.5, (b * x + f * y + g) * height - 0.5];
    });
    for (const person of sure) counted[person]++;
    for (let cell = 0; cell < area; cell++) {
      let [x, y] = [cell % width, Math.floor(cell / width)];
      for (let step = 0; step <= keep.refineSteps; step++) {
        field.move(x, y);
        x += field.read(data, k + KEYPOINTS) / stride;
        y += field.read(data, k) / stride;
      }
      sure.forEach((person, i) => {
        sums[person * area + cell] += (x - places[i][0]) ** 2 + (y - places[i][1]) ** 2;
      });
    }
  }
  return sums.map((sum, i) => {
    const mean = sum / counted[Math.floor(i / area)];
    return mean < FAR ? mean : FAR;
  });
}
