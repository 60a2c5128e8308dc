// What this device keeps for visits without a network: shown, completed and removed at a person's wish.

/** @typedef {{sha256: string, bytes: number, type: string}} Built */
/** @typedef {{core: string[], files: Record<string, Built>, inflated: Record<string, Built>}} Manifest */
/** @typedef {{url: string, bytes: number}} Item */

/** The bundle of onnxruntime-web for WebGPU that this browser never asks for. */
const UNUSED = "Suspending" in WebAssembly ? /asyncify|ort\.webgpu\./ : /jspi/;

/** Texts of licences come last. @param {[string, unknown]} one @param {[string, unknown]} other */
const runningFirst = ([one], [other]) => Number(one.startsWith("licenses/")) - Number(other.startsWith("licenses/"));

/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @param {number} bytes */
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

export class Offline {
  #root = new URL("./", document.baseURI);
  /** @type {AbortController | null} */
  #running = null;
  #wired = false;

  /** @param {{catalogue: string}} site */
  constructor(site) {
    this.site = site;
  }

  /** Shows what is kept. Where no service worker keeps anything, the section stays hidden. */
  async show() {
    if (!navigator.serviceWorker?.controller || this.#running) return;
    if (!this.#wired) this.#wire();
    try {
      const { kept, missing } = await this.#take();
      const models = await this.#titles(new Set(kept.map(({ url }) => url)));
      if (this.#running) return; // it was begun meanwhile, and its button says Stop
      const names = models.length ? `, with ${models.join(", ")}` : "";
      element("offline-kept").textContent = `Kept for visits without a network: ${megabytes(sum(kept))}${names}.`;
      const keep = element("offline-keep");
      keep.hidden = !missing.length;
      keep.textContent = `Keep all models on this device (${megabytes(sum(missing))})`;
      element("offline-remove").hidden = !kept.some(({ core }) => !core);
      element("offline").hidden = false;
    } catch {
      element("offline").hidden = true; // the site cannot be reached, and nothing is kept
    }
  }

  #wire() {
    this.#wired = true;
    element("offline").addEventListener("pointerenter", () => void this.show());
    element("offline").addEventListener("focusin", () => void this.show());
    element("offline-keep").addEventListener("click", () => {
      if (this.#running) this.#running.abort();
      else void this.keep();
    });
    element("offline-remove").addEventListener("click", () => void this.remove());
  }

  /** Loads all that is missing, through the service worker, which keeps it. */
  async keep() {
    const { signal } = (this.#running = new AbortController());
    const bar = /** @type {HTMLProgressElement} */ (element("offline-bar"));
    const [button, remove] = [element("offline-keep"), element("offline-remove")];
    let said;
    const done = new AbortController();
    try {
      const { missing } = await this.#take();
      const all = sum(missing);
      const lasting = (await navigator.storage.persist?.()) ?? false;
      const { quota = Infinity, usage = 0 } = await navigator.storage.estimate();
      if (all > quota - usage) throw new NoRoom(all, Math.max(quota - usage, 0));
      button.textContent = "Stop";
      remove.hidden = true;
      this.#say("");
      let [before, file] = [0, 0];
      /** @param {number} part of the file that is on its way, 0 to 1 */
      const show = (part) => {
        const here = before + part * (missing[file]?.bytes ?? 0);
        const percent = Math.floor((100 * here) / all);
        bar.value = here / all;
        element("offline-progress").textContent =
          `${megabytes(here)} of ${megabytes(all)} (${percent} %), file ${file + 1} of ${missing.length}`;
      };
      const hear = (/** @type {MessageEvent} */ { data }) => {
        if (data?.loading && data.loading === missing[file]?.url) show(data.part);
      };
      navigator.serviceWorker.addEventListener("message", hear, done);
      bar.hidden = false;
      for (; file < missing.length; file++) {
        const { url, bytes } = missing[file];
        show(0);
        const response = await fetch(url, { signal });
        if (!response.ok) throw new Error(await response.text());
        await response.body?.cancel();
        if (!(await caches.match(url))) throw new NoRoom(all - before, null);
        before += bytes;
      }
      said = lasting
        ? "All models work without a network now."
        : "All models work without a network now. The browser may remove them when this device runs short of space.";
    } catch (error) {
      said = why(error, signal.aborted);
    }
    done.abort();
    bar.hidden = true;
    element("offline-progress").textContent = "";
    this.#running = null;
    await this.show();
    this.#say(said);
  }

  /** Removes all but the page itself, which loads it again when it is needed. */
  async remove() {
    const core = new Set((await this.#manifest()).core.map((path) => this.#address(path)));
    core.add(this.#address("")).add(this.#address("integrity.json"));
    for (const cache of await this.#caches()) {
      for (const request of await cache.keys()) {
        if (!core.has(request.url)) await cache.delete(request);
      }
    }
    try {
      const folder = await navigator.storage.getDirectory();
      for await (const name of folder.keys()) {
        if (name.endsWith(".snapshot")) await folder.removeEntry(name);
      }
      localStorage.removeItem("bodylens-visited"); // the next visit has something to load again
    } catch {
      // Nothing was kept there.
    }
    await this.show();
    this.#say("Removed: what you use next is loaded again.");
  }

  /** @param {string} text */
  #say(text) {
    element("offline-status").textContent = text;
  }

  /** @param {string} path */
  #address(path) {
    return new URL(path, this.#root).href;
  }

  /** @returns {Promise<Manifest>} */
  async #manifest() {
    return (await fetch(this.#address("integrity.json"))).json();
  }

  /** The caches of this site: several may share one origin. */
  async #caches() {
    const names = (await caches.keys()).filter((name) => name.startsWith(`bodylens ${this.#root.pathname} `));
    return Promise.all(names.map((name) => caches.open(name)));
  }

  /** What of this version is kept, and what is missing of all that this browser can use. */
  async #take() {
    const { core, files, inflated } = await this.#manifest();
    const there = new Set();
    for (const cache of await this.#caches()) for (const { url } of await cache.keys()) there.add(url);
    const contents = Object.entries({ ...files, ...inflated })
      .filter(([path]) => !path.endsWith(".gz") && !UNUSED.test(path))
      .sort(runningFirst)
      .map(([path, { bytes }]) => ({ url: this.#address(path), bytes, core: core.includes(path) }));
    return {
      kept: contents.filter(({ url }) => there.has(url)),
      missing: contents.filter(({ url }) => !there.has(url)),
    };
  }

  /** The titles of the models that are kept. @param {Set<string>} kept addresses @returns {Promise<string[]>} */
  async #titles(kept) {
    const { catalogue } = this.site;
    /** @type {{name: string, title?: string, url?: string | null}[]} */
    const models = await (await fetch(catalogue)).json();
    const titles = models
      .filter(({ url }) => url && kept.has(new URL(url, catalogue).href))
      .map(({ name, title }) => title ?? name);
    return [...new Set(titles)];
  }
}

/** The device has no room. */
class NoRoom extends Error {
  /** @param {number} needed bytes @param {number | null} free bytes, where the browser says so */
  constructor(needed, free) {
    const gives = free === null ? "gives this site no more" : `gives this site ${megabytes(free)}`;
    super(`The rest takes ${megabytes(needed)}, and the browser ${gives}: free some space on this device, try again.`);
  }
}

/** @param {unknown} error @param {boolean} stopped */
function why(error, stopped) {
  if (stopped) return "Stopped. What was loaded so far is kept.";
  if (error instanceof TypeError) return "The site cannot be reached: try again once there is a network.";
  return error instanceof Error ? error.message : String(error);
}

/** @param {Item[]} items */
const sum = (items) => items.reduce((total, { bytes }) => total + bytes, 0);
