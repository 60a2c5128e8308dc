// People as Python packs them into one array. ref: pysrc/bodylens/record.py

/** Numbers before the arrays. */
const HEADER = 11;
/** Numbers a mask: its handle and its region. */
const MASK = 6;
/** Numbers a capsule. ref: pysrc/bodylens/limb_parts.py */
export const CAPSULE = 12;

/** @typedef {{handle: number, region: import("./engine/region.js").Region}} MaskAt */

/**
 * Views into a packed array: n persons, k keypoints of d coordinates.
 * @param {Float64Array} packed
 */
export function unpack(packed) {
  const [index, time, width, height, n, k, d, hasWorld, m, c, hasPresence] = packed;
  let at = HEADER;
  /** @param {number} count */
  const take = (count) => packed.subarray(at, (at += count));
  return {
    frame: { index, time, width, height },
    width,
    height,
    n,
    k,
    d,
    ids: take(n),
    personScores: take(n),
    boxes: take(4 * n),
    keypoints: take(n * k * d),
    scores: take(n * k),
    world: hasWorld ? take(3 * n * k) : null,
    presence: hasPresence ? take(n * k) : null,
    masks: Array.from({ length: m }, () => {
      const [handle, ...region] = take(MASK);
      return /** @type {MaskAt} */ ({ handle, region });
    }),
    capsules: take(CAPSULE * c),
  };
}
