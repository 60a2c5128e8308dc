// Regions of a frame and their transforms; the same mathematics as pysrc/bodylens/region.py.

/** Centre x, y, width, height in pixels of the frame, and rotation in radians, clockwise on the screen. */
/** @typedef {[number, number, number, number, number]} Region */

/** A row-major 2×3 matrix. @typedef {[number, number, number, number, number, number]} Affine */

/**
 * The matrix that takes unit coordinates (u, v, 1) to pixels of the frame.
 * @param {Region} region
 * @returns {Affine}
 */
export function toFrame([x, y, width, height, rotation]) {
  const c = Math.cos(rotation);
  const s = Math.sin(rotation);
  const [ax, ay, dx, dy] = [c * width, s * width, -s * height, c * height];
  return [ax, dx, x - (ax + dx) / 2, ay, dy, y - (ay + dy) / 2];
}

/**
 * The inverse: pixels of the frame to unit coordinates.
 * @param {Region} region
 * @returns {Affine}
 */
export function fromFrame([x, y, width, height, rotation]) {
  const c = Math.cos(rotation);
  const s = Math.sin(rotation);
  return [c / width, s / width, 0.5 - (c * x + s * y) / width, -s / height, c / height, 0.5 - (c * y - s * x) / height];
}

/**
 * The matrix that applies `first`, then `second`.
 * @param {Affine} second
 * @param {Affine} first
 * @returns {Affine}
 */
export function after([a, c, e, b, d, f], [p, r, t, q, s, w]) {
  return [a * p + c * q, a * r + c * s, a * t + c * w + e, b * p + d * q, b * r + d * s, b * t + d * w + f];
}
