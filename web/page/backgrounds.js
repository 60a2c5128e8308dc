// Backgrounds that need no download: drawn on the spot.

/** Base colour, then soft lights: x, y, radius (shares of the width), colour. */
/** @type {Record<string, {base: string, lights: [number, number, number, string][]}>} */
const SCENES = {
  dawn: {
    base: "#f3c7a6",
    lights: [
      [0.2, 0.1, 0.7, "#8fa8d8"],
      [0.85, 0.15, 0.6, "#c9a7cf"],
      [0.5, 0.62, 0.45, "#ffd9a8"],
      [0.1, 0.6, 0.5, "#e79f8b"],
    ],
  },
  lagoon: {
    base: "#0f4c5c",
    lights: [
      [0.15, 0.05, 0.7, "#2a9d8f"],
      [0.9, 0.2, 0.55, "#8ecae6"],
      [0.6, 0.6, 0.5, "#126782"],
      [0.1, 0.6, 0.45, "#0b3142"],
    ],
  },
  studio: {
    base: "#3a3f45",
    lights: [
      [0.5, 0.22, 0.6, "#8d949c"],
      [0.05, 0.6, 0.5, "#23272c"],
      [0.95, 0.6, 0.5, "#23272c"],
    ],
  },
};

/** @param {string} name @returns {ImageBitmap} */
export function background(name) {
  const { base, lights } = SCENES[name] ?? SCENES.dawn;
  const canvas = new OffscreenCanvas(640, 360);
  const context = canvas.getContext("2d");
  if (context) {
    context.fillStyle = base;
    context.fillRect(0, 0, 640, 360);
    for (const [x, y, radius, color] of lights) {
      const light = context.createRadialGradient(640 * x, 640 * y, 0, 640 * x, 640 * y, 640 * radius);
      light.addColorStop(0, color);
      light.addColorStop(1, `${color}00`);
      context.fillStyle = light;
      context.fillRect(0, 0, 640, 360);
    }
  }
  return canvas.transferToImageBitmap();
}
