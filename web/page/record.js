// People as Python packs them, into the plain object of a frame; the same as pysrc/bodylens/record.py gives.
import { unpack } from "../people.js";

/** @typedef {{name: string, x: number, y: number, z?: number, score: number, presence?: number}} Point */
/** @typedef {{id: number, score: number, box: number[], keypoints: Point[], world?: Point[]}} Person */
/** @typedef {{frame: {index: number, time: number, width: number, height: number}, people: Person[]}} FrameRecord */

/** @param {number} value @param {number} digits */
const rounded = (value, digits) => Number(value.toFixed(digits));

/**
 * @param {Float64Array} packed as `record.pack` lays it out
 * @param {string[]} names of the keypoints
 * @returns {FrameRecord}
 */
export function toRecord(packed, names) {
  const { frame, n, k, d, ids, personScores, boxes, keypoints, scores, world, presence } = unpack(packed);

  /** @param {Float64Array} values @param {number} size @param {number} digits @param {number} person */
  const points = (values, size, digits, person) =>
    Array.from({ length: k }, (_, i) => {
      const j = person * k + i;
      /** @type {Point} */
      const point = {
        name: names[i],
        x: rounded(values[size * j], digits),
        y: rounded(values[size * j + 1], digits),
        ...(size > 2 && { z: rounded(values[size * j + 2], digits) }),
        score: rounded(scores[j], 4),
      };
      return point;
    });

  const people = Array.from({ length: n }, (_, i) => ({
    id: ids[i],
    score: rounded(personScores[i], 4),
    box: Array.from(boxes.subarray(4 * i, 4 * i + 4), (value) => rounded(value, 2)),
    keypoints: points(keypoints, d, 2, i).map((point, j) =>
      presence ? { ...point, presence: rounded(presence[i * k + j], 4) } : point,
    ),
    ...(world && { world: points(world, 3, 4, i) }),
  }));
  return { frame, people };
}
