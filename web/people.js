// People as Python packs them into one array. ref: pysrc/bodylens/record.py

/** Numbers before the arrays. */
const HEADER = 9;
/** Numbers a mask: its handle and its region. */
const MASK = 6;

/**
 * Views into a packed array: n persons, k keypoints of d coordinates.
 * @param {Float64Array} packed
 */
export function unpack(packed) {
  const [index, time, width, height, n, k, d, hasWorld, m] = packed;
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
    /** Handles of the masks. */
    masks: Array.from({ length: m }, (_, i) => packed[packed.length - MASK * (m - i)]),
  };
}
