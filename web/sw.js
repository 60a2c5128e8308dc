// The service worker of a static site: it gives every answer the headers that the host cannot, checks every file
// against the integrity manifest, and keeps what was used for the next visit, with or without a network.
//
// The build writes the manifest's sha256 in here. So a new build is a new worker, which the browser then installs
// beside this one: whole, or not at all.

const INTEGRITY = "{{integrity}}";
const MANIFEST = "integrity.json";

/** How often, a second apart, it is seen whether other tabs are still there: one that was closed goes not at once. */
const LOOKS = 8;

/** @typedef {{sha256: string, bytes: number, type: string}} Built */
/**
 * @typedef {{headers: Record<string, string>, core: string[], files: Record<string, Built>,
 *   inflated: Record<string, Built>}} Manifest what is inflated is there as `path + ".gz"` alone
 */

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
 * What a gzipped file holds. Some hosts and browsers have inflated it on the way.
 * @param {ArrayBuffer} bytes @param {number} size what it must hold; nothing larger is worked on
 */
async function inflate(bytes, size) {
  const [first, second] = new Uint8Array(bytes, 0, Math.min(bytes.byteLength, 2));
  if (first !== 0x1f || second !== 0x8b) return bytes;
  const whole = new Uint8Array(size);
  let filled = 0;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  for (const reader = stream.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) return filled === size ? whole.buffer : new ArrayBuffer(0);
    if (filled + value.length > size) throw new TypeError("it is too large");
    whole.set(value, filled);
    filled += value.length;
  }
}

/**
 * What a response holds.
 * @param {Response} response @param {(bytes: number) => void} count hears of each piece as it comes
 */
async function receive(response, count) {
  const pieces = new TransformStream({
    transform(piece, controller) {
      count(piece.byteLength);
      controller.enqueue(piece);
    },
  });
  return new Response(response.body?.pipeThrough(pieces)).arrayBuffer();
}

/**
 * The bytes of a file as it was built: those that an earlier build left here, else the host's, gzipped where it has
 * them so. Whatever way they came, what counts is the sha256 of what will be used.
 * @param {string} path @param {{sha256: string, bytes: number}} built
 * @param {{gzipped: number, plain: boolean}} there bytes of the gzipped file, 0 where there is none
 * @param {(part: number) => void} [hear] how much of it is here, 0 to 1
 */
async function fetchBuilt(path, { sha256: expected, bytes: size }, { gzipped, plain }, hear = () => undefined) {
  const address = new URL(path, root);
  const ways = [() => caches.match(address)];
  for (const [is, url] of /** @type {[boolean, URL][]} */ ([
    [gzipped > 0 && "DecompressionStream" in globalThis, new URL(`${path}.gz`, root)],
    [plain, address],
  ])) {
    if (!is) continue;
    ways.push(() => fetch(url));
    ways.push(() => fetch(url, { cache: "reload" })); // past what the browser kept
  }
  let why = "was refused: this browser cannot inflate it";
  for (const way of ways) {
    const response = await way().catch(() => null);
    if (response === null) why = "is not on this device, and the site cannot be reached";
    if (!response) continue;
    why = `was refused: the host said ${response.status}`;
    if (!response.ok) continue;
    const packed = response.url.endsWith(".gz") && !response.headers.has("content-encoding");
    let [here, all] = [0, packed ? gzipped : size];
    const received = await receive(response, (more) => hear(Math.min((here += more) / all, 1)));
    const bytes = gzipped ? await inflate(received, size).catch(() => received) : received;
    if ((await sha256(bytes)) === expected) return bytes;
    why = "was refused: it is not the file that was built";
  }
  throw new Error(`${path} ${why}.`);
}

/** The integrity manifest: from the cache, else from the host. */
function readManifest() {
  manifest ??= (async () => {
    const cache = await caches.open(CACHE);
    const kept = await cache.match(new URL(MANIFEST, root));
    if (kept) return kept.json();
    const there = { gzipped: 0, plain: true };
    return JSON.parse(new TextDecoder().decode(await fetchBuilt(MANIFEST, { sha256: INTEGRITY, bytes: 0 }, there)));
  })();
  manifest.catch(() => (manifest = null));
  return manifest;
}

/**
 * A file on its way here, how much of it has come, and who wants to know.
 * @typedef {{content: Promise<ArrayBuffer>, part: number, clients: Set<any>}} Loading
 */
/** Several that ask for the same file share it. @type {Map<string, Loading>} */
const loading = new Map();

/**
 * A file of the site: from the cache, else downloaded, checked and kept.
 * @param {string} path of a file in the manifest @param {string} [asker] the client that asks for it
 */
async function load(path, asker = "") {
  const { files, inflated, headers } = await readManifest();
  const cache = await caches.open(CACHE);
  const address = new URL(path, root);
  const kept = await cache.match(address);
  if (kept) return kept;
  const built = files[path] ?? inflated[path];
  const { bytes, type } = built;
  const told = { ...headers, "content-type": type, "content-length": `${bytes}`, "x-decoded-length": `${bytes}` };
  const client = await worker.clients.get(asker);
  let coming = loading.get(path);
  if (!coming) {
    const there = { gzipped: files[`${path}.gz`]?.bytes ?? 0, plain: Object.hasOwn(files, path) };
    const clients = new Set();
    const hear = (/** @type {number} */ part) => {
      if (coming) coming.part = part;
      for (const client of clients) client.postMessage({ loading: address.href, part });
    };
    const content = fetchBuilt(path, built, there, hear).then(async (found) => {
      // A full disk costs the next visit a download, not this one its file.
      await cache.put(address, new Response(found, { headers: told })).catch(() => undefined);
      return found;
    });
    loading.set(path, (coming = { content, part: 0, clients }));
    void content.catch(() => undefined).then(() => loading.delete(path));
  }
  if (client) {
    coming.clients.add(client);
    client.postMessage({ loading: address.href, part: coming.part });
  }
  return new Response(await coming.content, { headers: told });
}

/** A path without what changes from build to build. @param {string} path */
const role = (path) => path.replace(/[/.][0-9a-f]{8}(?=[/.])/g, "");

/** Everything that the page needs at its start, and what this device has used before. */
async function install() {
  try {
    const { files, inflated, core } = await readManifest();
    const used = new Set();
    for (const name of await caches.keys()) {
      if (!name.startsWith(PREFIX) || name === CACHE) continue;
      for (const { url } of await (await caches.open(name)).keys()) used.add(role(url.slice(root.length)));
    }
    const all = Object.keys({ ...files, ...inflated });
    const wanted = all.filter((path) => core.includes(path) || used.has(role(path)));
    await Promise.all(wanted.map(take));
    const cache = await caches.open(CACHE);
    await cache.put(new URL(MANIFEST, root), json(await readManifest()));
  } catch (error) {
    await caches.delete(CACHE);
    throw error;
  }
}

/** @param {unknown} data */
const json = (data) => new Response(JSON.stringify(data), { headers: { "content-type": "application/json" } });

/** Loads a file, and insists that it was kept. @param {string} path */
async function take(path) {
  await load(path);
  const cache = await caches.open(CACHE);
  if (!(await cache.match(new URL(path, root)))) throw new Error(`There is no room to keep ${path}.`);
}

/** Only this version's files stay, and as long as another tab runs with them, those of the version before. @param {number} [looks] */
async function clean(looks = 0) {
  for (let looked = 0; ; looked++) {
    /** @type {{url: string}[]} */
    const tabs = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
    if (tabs.filter(({ url }) => url.startsWith(root)).length <= 1) break;
    if (looked === looks) return; // the next tab that starts looks again
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
  }
}

/** @param {Request} request @param {string} asker the client that asks */
async function answer(request, asker) {
  const url = new URL(request.url);
  if (url.origin !== location.origin) return Response.error(); // the policy has refused it before
  const { files, inflated, headers } = await readManifest();
  const path = url.href.startsWith(root) ? decodeURI(url.pathname.slice(new URL(root).pathname.length)) : null;
  const name = path === "" ? "index.html" : path;
  if (request.method === "GET" && name !== null && (Object.hasOwn(files, name) || Object.hasOwn(inflated, name))) {
    try {
      return await load(name, asker);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      return new Response(text, { status: 502, statusText: "Refused", headers });
    }
  }
  if (name === MANIFEST) return json(await readManifest());
  // What a tab of the version before still asks for.
  const older = request.method === "GET" && name !== null && (await caches.match(request.url));
  if (older) return older;
  const response = await fetch(request);
  if (response.type !== "basic") return response;
  const empty = [101, 204, 205, 304].includes(response.status);
  const { status, statusText } = response;
  const all = { ...Object.fromEntries(response.headers), ...headers };
  return new Response(empty ? null : response.body, { status, statusText, headers: all });
}

/** "use": a person wants this version now. "clean": a tab has started. @param {any} event */
function hear(event) {
  if (event.data === "use") event.waitUntil(worker.skipWaiting());
  else if (event.data === "clean") event.waitUntil(clean(LOOKS));
}

worker.addEventListener("message", hear);
worker.addEventListener("install", (/** @type {any} */ event) => event.waitUntil(install()));
worker.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(clean()));
worker.addEventListener("fetch", (/** @type {any} */ event) =>
  event.respondWith(answer(event.request, event.clientId)),
);
