// The parts of the body in colours.
import { Layer, OVER } from "./layer.js";

/** The colours of the parts, one a texel. */
export const COLOR = `
uniform sampler2D u_table;
vec4 color(ivec2 at) {
  int part = label(at).part;
  return part < 0 ? vec4(0.0) : texelFetch(u_table, ivec2(part, 0), 0);
}`;

/** @param {Color[]} colors @returns {Float32Array} */
export const texels = (colors) => Float32Array.from(colors.flatMap((color) => [...color, 1]));

/** @returns {import("./index.js").Effect} */
export const parts = () => {
  let layer = new Layer();
  /** @type {import("../painter.js").Numbers | null} */
  let table = null;
  return {
    labels: true,
    hides: ({ opacity }) => (opacity < 1 ? null : "parts"),
    shade: OVER,
    prepare(painter, scene) {
      const { view } = scene;
      table = painter.numbers(table, 4, view.table.length, 1, texels(view.table));
      const u_layer = layer.draw(painter, scene, COLOR, { u_table: table.texture }, view.edgeBlur);
      return { u_layer, u_opacity: view.opacity };
    },
    forget() {
      layer = new Layer();
      table = null;
    },
  };
};
