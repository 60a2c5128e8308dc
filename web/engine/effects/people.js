// Each person in a colour of their own, which follows them as their id does.
import { PEOPLE } from "../../tables.js";
import { Layer, OVER } from "./layer.js";
import { texels } from "./parts.js";

const COLOR = `
uniform sampler2D u_colors;
vec4 color(ivec2 at) {
  int owner = label(at).owner;
  return owner < 0 ? vec4(0.0) : texelFetch(u_colors, ivec2(owner, 0), 0);
}`;

/** @returns {import("./index.js").Effect} */
export const people = () => {
  let layer = new Layer();
  /** @type {import("../painter.js").Numbers | null} */
  let colors = null;
  return {
    labels: true,
    hides: ({ opacity }) => (opacity < 1 ? null : "people"),
    shade: OVER,
    prepare(painter, scene) {
      const { view, ids } = scene;
      const chosen = Array.from(ids.length ? ids : [1], (id) => PEOPLE[(id + PEOPLE.length - 1) % PEOPLE.length]);
      colors = painter.numbers(colors, 4, chosen.length, 1, texels(chosen));
      const u_layer = layer.draw(painter, scene, COLOR, { u_colors: colors.texture }, view.edgeBlur);
      return { u_layer, u_opacity: view.opacity };
    },
    forget() {
      layer = new Layer();
      colors = null;
    },
  };
};
