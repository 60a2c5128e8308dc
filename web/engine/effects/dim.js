// Darkens what is behind people, or the people themselves. ref: `to_mask`, `draw_mask` in pysrc/bodylens/draw.py
import { CONTOUR, Layer, OVER } from "./layer.js";

const COLOR = `
uniform float u_invert;
uniform float u_contour;
bool inside(ivec2 at) { return label(at).person; }
${CONTOUR}
vec4 color(ivec2 at) {
  if (u_contour > 0.5 && contour(at)) return vec4(0.0, 1.0, 1.0, 1.0);
  return inside(at) == (u_invert > 0.5) ? vec4(0.0, 0.0, 0.0, 1.0) : vec4(0.0);
}`;

/** @returns {import("./index.js").Effect} */
export const dim = () => {
  let layer = new Layer();
  return {
    labels: true,
    hides: ({ opacity, invert }) => (opacity < 1 ? null : invert ? "people" : "background"),
    shade: OVER,
    prepare(painter, scene) {
      const { view } = scene;
      const uniforms = { u_invert: Number(view.invert), u_contour: Number(view.contour) };
      const u_layer = layer.draw(painter, scene, COLOR, uniforms, view.edgeBlur);
      return { u_layer, u_opacity: view.opacity };
    },
    forget() {
      layer = new Layer();
    },
  };
};
