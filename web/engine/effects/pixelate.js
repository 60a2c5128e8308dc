// The coloured parts in coarse cells with white lines between them. ref: `pixelate` in pysrc/bodylens/draw.py
import { Layer } from "./layer.js";
import { COLOR, texels } from "./parts.js";

/** @returns {import("./index.js").Effect} */
export const pixelate = () => {
  let layer = new Layer();
  /** @type {import("../painter.js").Numbers | null} */
  let table = null;
  return {
    labels: true,
    hides: () => "parts",
    shade: `
uniform sampler2D u_layer;
uniform float u_opacity;
uniform float u_cell;       // pixels of the frame
uniform vec2 u_frame_size;
vec4 shade(vec2 at, vec2 seen, vec3 frame, float person) {
  vec2 count = floor(u_frame_size / u_cell);
  vec2 pixel = floor(at * u_frame_size);
  vec2 number = floor((pixel + 0.5) * count / u_frame_size);
  // Between the two pixels nearest to the middle of the cell, as a canvas does.
  vec2 size = vec2(textureSize(u_layer, 0));
  vec2 middle = (number + 0.5) * size / count - 0.5;
  ivec2 low = ivec2(middle), high = min(low + 1, ivec2(size) - 1);
  vec2 part = middle - vec2(low);
  vec4 cell = mix(
    mix(texelFetch(u_layer, low, 0), texelFetch(u_layer, ivec2(high.x, low.y), 0), part.x),
    mix(texelFetch(u_layer, ivec2(low.x, high.y), 0), texelFetch(u_layer, high, 0), part.x), part.y);
  // A line one pixel wide between two pixels covers half of each.
  vec2 line = floor((pixel + 0.5) / u_cell);
  for (int i = 0; i < 2; i++) {
    vec2 cover = clamp(1.0 - abs(pixel + 0.5 - line * u_cell), 0.0, 1.0) * step(line, count - 1.0);
    cell.rgb += (1.0 - cell.rgb) * cover.x;
    cell.rgb += (1.0 - cell.rgb) * cover.y;
    line += 1.0;
  }
  return vec4(mix(frame, cell.rgb, u_opacity), 1.0);
}`,
    prepare(painter, scene) {
      const { view, frameWidth, frameHeight } = scene;
      table = painter.numbers(table, 4, view.table.length, 1, texels(view.table));
      const u_layer = layer.draw(painter, scene, COLOR, { u_table: table.texture }, 0);
      const u_cell = Math.min(Math.max(view.cell, 2), frameWidth, frameHeight);
      return { u_layer, u_opacity: view.opacity, u_cell, u_frame_size: [frameWidth, frameHeight] };
    },
    forget() {
      layer = new Layer();
      table = null;
    },
  };
};
