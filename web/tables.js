// Colours for the 24 parts of the body. ref: pysrc/bodylens/draw.py

const RAINBOW =
  "6e40aa 8f3db2 b23cb2 d23ea7 ee4395 ff4e7d ff5e63 ff734b ff8c38 efa72f d9c231 c2db40 " +
  "aff05b 87f557 60f760 40f373 28ea8d 1cdba9 1ac7c2 21b0d5 2f96e0 417de0 5465d6 6351c3";
const WARM =
  "6e40aa 6a48b7 6451c4 5c5bce 5465d6 4b71dd 427de0 388ae2 3096e0 28a3dc 21b0d6 1dbccd " +
  "1ac7c2 1ad2b6 1cdba9 21e39b 29ea8d 33f080 40f374 4ff669 60f761 73f65b 86f558 9bf358";
const SPECTRAL =
  "9e0142 b51a47 ca324a db494a e85e49 f2754b f88e53 fba760 fdbe70 fed281 fee395 fef0a6 " +
  "fbf8b0 f3f9ac e7f5a3 d5ee9f bee5a0 a4daa3 89cfa5 6ec0a8 56adae 4696b3 437fb4 4d67ad";

/** @type {Record<string, string>} */
export const TABLES = { rainbow: RAINBOW, "rainbow-2019": WARM, warm: WARM, spectral: SPECTRAL };

/** How many parts a table colours. */
const PARTS = 24;

/**
 * The colours of a table.
 * @param {string} text its name, or 24 colours of six hexadecimal digits each, between them spaces or commas
 * @returns {Color[] | null} null where it is neither
 */
export function table(text) {
  const colors = (Object.hasOwn(TABLES, text) ? TABLES[text] : text).trim().split(/[\s,]+/);
  if (colors.length !== PARTS || !colors.every((color) => /^[0-9a-f]{6}$/i.test(color))) return null;
  return colors.map((color) => /** @type {Color} */ ([0, 2, 4].map((i) => parseInt(color.slice(i, i + 2), 16) / 255)));
}

/** Colours that tell people apart, by their ids. @type {Color[]} */
export const PEOPLE = /** @type {Color[]} */ (
  ["2dd4a8", "f59e0b", "60a5fa", "f472b6", "a3e635", "c084fc", "fb7185", "22d3ee", "facc15", "94a3b8"].map((color) =>
    [0, 2, 4].map((i) => parseInt(color.slice(i, i + 2), 16) / 255),
  )
);
