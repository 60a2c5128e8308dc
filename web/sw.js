// The service worker of a static site: it gives every answer the headers that the host cannot, checks every file
// against the integrity manifest, and keeps what was used for the next visit, with or without a network.
//
// The build writes the manifest's sha256 in here. So a new build is a new worker, which the browser then installs
// beside this one: whole, or not at all.

const INTEGRITY = "{{integrity}}";

/** @typedef {{sha256: string, bytes: number, type: string}} Built */
/** @typedef {{headers: Record<string, string>, core: string[], files: Record<string, Built>}} Manifest */

const worker = /** @type {any} */ (globalThis);
/** The site's own address. Several sites may share one origin, and with it the caches. @type {string} */
const root = worker.registration.scope;
const PREFIX = `bodylens ${new URL(root).pathname} `;
const CACHE = PREFIX + INTEGRITY.slice(0, 16);

/** @type {Promise<Manifest> | null} */
let manifest = null;

/** @param {ArrayBuffer} bytes */
async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * The bytes of a file as it was built: those that an earlier build left here, else the host's.
 * @param {string} path @param {string} expected its sha256
 */
async function fetchBuilt(path, expected) {
  const address = new URL(path, root);
  const ways = [
    () => caches.match(address),
    () => fetch(address),
    () => fetch(address, { cache: "reload" }), // past what the browser kept
  ];
  let why = "";
  for (const way of ways) {
    const response = await way();
    if (!response) continue;
    const bytes = await response.arrayBuffer();
    if (response.ok && (await sha256(bytes)) === expected) return bytes;
    why = response.ok ? "it is not the file that was built" : `the host said ${response.status}`;
  }
  throw new Error(`${path} was refused: ${why}.`);
}

/** The integrity manifest: from the cache, else from the host. */
function readManifest() {
  manifest ??= (async () => {
    const cache = await caches.open(CACHE);
    const kept = await cache.match(new URL("integrity.json", root));
    return kept ? kept.json() : JSON.parse(new TextDecoder().decode(await fetchBuilt("integrity.json", INTEGRITY)));
  })();
  manifest.catch(() => (manifest = null));
  return manifest;
}

/**
 * A file of the site: from the cache, else downloaded, checked and kept.
 * @param {string} path of a file in the manifest
 */
async function load(path) {
  const { files, headers } = await readManifest();
  const cache = await caches.open(CACHE);
  const address = new URL(path, root);
  const kept = await cache.match(address);
  if (kept) return kept;
  const { sha256, bytes, type } = files[path];
  const response = new Response(await fetchBuilt(path, sha256), {
    headers: { ...headers, "content-type": type, "content-length": `${bytes}`, "x-decoded-length": `${bytes}` },
  });
  // A full disk costs the next visit a download, not this one its file.
  await cache.put(address, response.clone()).catch(() => undefined);
  return response;
}

/** A path without what changes from build to build. @param {string} path */
const role = (path) => path.replace(/[/.][0-9a-f]{8}(?=[/.])/g, "");

/** Everything that the page needs at its start, and what this device has used before. */
async function install() {
  try {
    const { files, core } = await readManifest();
    const used = new Set();
    for (const name of await caches.keys()) {
      if (!name.startsWith(PREFIX) || name === CACHE) continue;
      for (const { url } of await (await caches.open(name)).keys()) used.add(role(url.slice(root.length)));
    }
    const wanted = Object.keys(files).filter((path) => core.includes(path) || used.has(role(path)));
    await Promise.all(wanted.map(take));
    const cache = await caches.open(CACHE);
    await cache.put(new URL("integrity.json", root), new Response(JSON.stringify(await readManifest())));
  } catch (error) {
    await caches.delete(CACHE);
    throw error;
  }
}

/** Loads a file, and insists that it was kept. @param {string} path */
async function take(path) {
  await load(path);
  const cache = await caches.open(CACHE);
  if (!(await cache.match(new URL(path, root)))) throw new Error(`There is no room to keep ${path}.`);
}

/** Only this version's files stay. */
async function clean() {
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
  }
}

/** @param {Request} request */
async function answer(request) {
  const url = new URL(request.url);
  if (url.origin !== location.origin) return Response.error(); // the policy has refused it before
  const { files, headers } = await readManifest();
  const path = url.href.startsWith(root) ? decodeURI(url.pathname.slice(new URL(root).pathname.length)) : null;
  const name = path === "" ? "index.html" : path;
  if (request.method === "GET" && name !== null && Object.hasOwn(files, name)) {
    try {
      return await load(name);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      return new Response(text, { status: 502, statusText: "Refused", headers });
    }
  }
  const response = await fetch(request);
  if (response.type !== "basic") return response;
  const empty = [101, 204, 205, 304].includes(response.status);
  const { status, statusText } = response;
  const all = { ...Object.fromEntries(response.headers), ...headers };
  return new Response(empty ? null : response.body, { status, statusText, headers: all });
}

worker.addEventListener("install", (/** @type {any} */ event) => event.waitUntil(install()));
worker.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(clean()));
worker.addEventListener("fetch", (/** @type {any} */ event) => event.respondWith(answer(event.request)));
