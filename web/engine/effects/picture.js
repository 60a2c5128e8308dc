// The person before a picture, which covers the canvas and is never mirrored.

/** @returns {import("./index.js").Effect} */
export const picture = () => {
  /** @type {WebGLTexture | null} */
  let texture = null;
  /** @type {ImageBitmap | null} */
  let uploaded = null;
  return {
    hides: () => "background",
    shade: `
uniform sampler2D u_picture;
uniform vec2 u_cover;   // the share of the picture that is seen, across and down
vec4 shade(vec2 at, vec2 seen, vec3 frame, float person) {
  vec3 behind = texture(u_picture, (seen - 0.5) * u_cover + 0.5).rgb;
  return vec4(mix(behind, frame, person), 1.0);
}`,
    prepare(painter, { view, width, height }) {
      const { gl } = painter;
      texture ??= painter.texture();
      if (!uploaded || (view.picture && view.picture !== uploaded)) {
        gl.bindTexture(gl.TEXTURE_2D, texture);
        if (view.picture) gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, view.picture);
        else gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 1, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
        uploaded = view.picture;
      }
      const shape = (uploaded ? uploaded.width / uploaded.height : 1) / (width / height);
      return { u_picture: texture, u_cover: shape > 1 ? [1 / shape, 1] : [1, shape] };
    },
    forget() {
      texture = uploaded = null;
    },
  };
};
