// A worker that decodes pictures: a large photograph takes longer than the page may stand still.

const scope = /** @type {DedicatedWorkerGlobalScope} */ (/** @type {unknown} */ (globalThis));

/** @param {Blob} blob @param {number} longest side in pixels that is kept */
async function decode(blob, longest) {
  const bitmap = await createImageBitmap(blob);
  const scale = longest / Math.max(bitmap.width, bitmap.height);
  if (scale >= 1) return bitmap;
  const [resizeWidth, resizeHeight] = [Math.round(bitmap.width * scale), Math.round(bitmap.height * scale)];
  const smaller = await createImageBitmap(bitmap, { resizeWidth, resizeHeight, resizeQuality: "high" });
  bitmap.close();
  return smaller;
}

scope.onmessage = async ({ data: { blob, longest } }) => {
  try {
    const bitmap = await decode(blob, longest);
    scope.postMessage({ bitmap }, [bitmap]);
  } catch (error) {
    scope.postMessage({ message: error instanceof Error ? error.message : String(error) });
  }
};
