// The 24 parts of the body by their names. ref: `PART_NAMES` in pysrc/bodylens/bodypix.py

export const PART_NAMES = (
  "left_face right_face left_upper_arm_front left_upper_arm_back right_upper_arm_front right_upper_arm_back " +
  "left_lower_arm_front left_lower_arm_back right_lower_arm_front right_lower_arm_back left_hand right_hand " +
  "torso_front torso_back left_upper_leg_front left_upper_leg_back right_upper_leg_front right_upper_leg_back " +
  "left_lower_leg_front left_lower_leg_back right_lower_leg_front right_lower_leg_back left_feet right_feet"
).split(" ");

/**
 * Which parts words name: "face" names both halves, "left" all of that side; a number names itself.
 * @param {string} text words with commas between them
 * @returns {number[] | null} null where a word names nothing
 */
export function partNumbers(text) {
  const numbers = new Set();
  for (const word of text.split(",").map((part) => part.trim())) {
    const named = PART_NAMES.flatMap((name, i) => (word === String(i) || (word && name.includes(word)) ? [i] : []));
    if (!named.length) return null;
    for (const i of named) numbers.add(i);
  }
  return [...numbers];
}
