// Where the program's parts lie, as the front page says.

/** The addresses, made absolute. @param {Document} [page] that names them */
export function readSite(page = document) {
  const meta = /** @type {HTMLMetaElement} */ (page.querySelector('meta[name="bodylens:site"]'));
  const { version, masks, ...addresses } = JSON.parse(meta.content);
  const absolute = (/** @type {string} */ address) => new URL(address, document.baseURI).href;
  const all = Object.entries(addresses).map(([name, address]) => [
    name,
    Array.isArray(address) ? address.map(absolute) : absolute(/** @type {string} */ (address)),
  ]);
  return /** @type {import("./engine.js").Site} */ ({ version, masks, ...Object.fromEntries(all) });
}
