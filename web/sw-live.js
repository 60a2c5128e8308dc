// The service worker of a server's site: keeps what was used, for visits without a network. The server is asked first
// for the page, so that what it serves newly is there at the next visit; all else has an address of its own content.

const MANIFEST = "integrity.json";

/** How long the server may take for the page where another is kept, milliseconds. */
const PATIENCE = 5000;

/** @typedef {{core: string[], start: string[], files: Record<string, unknown>}} Manifest `start` is what a first visit
 *   needs beside the core */

const worker = /** @type {any} */ (globalThis);
/** The site's own address. Several sites may share one origin, and with it the caches. @type {string} */
const root = worker.registration.scope;
const CACHE = `bodylens ${new URL(root).pathname} served`;

/** @param {string} path */
const address = (path) => new URL(path, root).href;

/** @param {string} url @returns {string | null} the path below the site's address */
const below = (url) => (url.startsWith(root) ? decodeURI(url.slice(root.length)) : null);

/** An address that changes with what is there. @param {string} path */
const lasting = (path) => /[/.][0-9a-f]{8}[/.]/.test(path);

/** @param {Cache} cache @param {string} url */
async function store(cache, url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: the server said ${response.status}.`);
  await cache.put(url, response);
}

/**
 * Keeps all that the page of today needs, and what was used; or leaves what was kept before as it was.
 * @param {string[]} used addresses
 */
async function keep(used) {
  const page = await fetch(root, { cache: "no-cache" });
  const [text, response] = [await page.clone().text(), await fetch(address(MANIFEST), { cache: "no-cache" })];
  /** @type {Manifest} */
  const { core, start, files } = await response.clone().json();
  if (!core.some((path) => lasting(path) && text.includes(path))) throw new Error("The site has changed meanwhile.");
  const cache = await caches.open(CACHE);
  const kept = new Set((await cache.keys()).map(({ url }) => url));
  const wanted = new Set([...core, ...start].filter((path) => Object.hasOwn(files, path)).map(address));
  for (const url of used) if (Object.hasOwn(files, below(url) ?? "")) wanted.add(url);
  for (const url of wanted) if (!kept.has(url)) await store(cache, url);
  await cache.put(root, page);
  await cache.put(address(MANIFEST), response);
  for (const url of kept) {
    const path = below(url) ?? "";
    if (path && path !== MANIFEST && !Object.hasOwn(files, path)) await cache.delete(url);
  }
}

/**
 * The server's answer; the one that is kept where the server cannot be reached, or takes too long.
 * @param {Request} request @param {string} url
 */
async function newest(request, url) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(url);
  const asked = fetch(request);
  if (!kept) return asked;
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE, kept));
  return Promise.race([asked.catch(() => kept), late]);
}

/**
 * Tells a client how much of a file has come.
 * @param {Response} response @param {string} url @param {string} asker
 */
async function tell(response, url, asker) {
  const client = await worker.clients.get(asker);
  const reader = response.body?.getReader();
  if (!client || !reader) return;
  // The length that the server sends is that of the encoded body.
  const all = Number(response.headers.get("x-decoded-length"));
  for (let here = 0; ;) {
    const { done, value } = await reader.read();
    if (done) return;
    here += value.length;
    client.postMessage({ loading: url, part: all ? Math.min(here / all, 1) : 0 });
  }
}

/** @param {Request} request @param {string} asker the client that asks */
async function answer(request, asker) {
  const path = below(request.url.replace(/[?#].*$/, ""));
  if (request.method !== "GET" || path === null) return fetch(request);
  if (path === "" || path === MANIFEST) return newest(request, address(path));
  if (!lasting(path)) return fetch(request);
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request.url);
  if (kept) return kept;
  const response = await fetch(request);
  if (response.status !== 200) return response;
  void tell(response.clone(), request.url, asker).catch(() => undefined); // whoever asked hears of the failure
  // A full disk costs the next visit a download, not this one its file.
  await cache.put(request.url, response.clone()).catch(() => undefined);
  return response;
}

/** @param {any} event */
function hear(event) {
  const { data, source } = event;
  if (!Array.isArray(data?.keep)) return;
  const done = keep(data.keep).then(
    () => source?.postMessage({ kept: true }),
    (error) => source?.postMessage({ kept: false, why: String(error) }),
  );
  event.waitUntil(done);
}

worker.addEventListener("message", hear);
worker.addEventListener("install", () => worker.skipWaiting());
worker.addEventListener("fetch", (/** @type {any} */ event) =>
  event.respondWith(answer(event.request, event.clientId)),
);
