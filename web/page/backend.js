// What "auto" stands for on this device: the fastest provider that gives the right answer, found once and remembered.

/** @typedef {"wasm" | "webgpu" | "webgl"} Provider */
/** @typedef {{ok: boolean, ms: number, why?: string}} Trial */
/** @typedef {{provider: Provider, crashed: Provider[], trials: Record<string, Trial>}} Known */

/** How much faster another provider must be to be worth its larger download. */
const WORTH = 0.8;
/** Seconds that a trial measures. */
const SECONDS = 1;
/** Milliseconds after which a provider that has not answered is not waited for. */
const PATIENCE = 60000;

export class Backend {
  /**
   * @param {string} version of the site: another one is tried anew
   * @param {Storage | null} storage null where the browser keeps nothing
   */
  constructor(version, storage = openStorage()) {
    this.storage = storage;
    this.key = `bodylens-backend-${version}`;
    this.used = `bodylens-using-${version}`;
    const known = this.#read();
    // A provider that was in use when the tab last ended without saying goodbye has crashed it.
    const last = /** @type {Provider | null} */ (storage?.getItem(this.used) ?? null);
    if (last && last !== "wasm") {
      const crashed = [...(known?.crashed ?? []), last];
      this.#write({ provider: "wasm", trials: {}, ...known, crashed });
    }
    storage?.removeItem(this.used);
  }

  /** What to start with: what was remembered, else wasm, which works everywhere. @returns {Provider} */
  get provider() {
    const known = this.#read();
    return known && !known.crashed.includes(known.provider) ? known.provider : "wasm";
  }

  /** Whether the others have been tried on this device. */
  get tried() {
    return Object.keys(this.#read()?.trials ?? {}).length > 0;
  }

  /** Notes which provider runs, so that a crash can be told from a goodbye. @param {Provider | null} provider */
  using(provider) {
    if (provider) this.storage?.setItem(this.used, provider);
    else this.storage?.removeItem(this.used);
  }

  /**
   * Tries the providers that this device's hardware speaks for, in workers of their own.
   * @param {import("./engine.js").Site} site
   * @param {string} model
   * @param {number} wasm milliseconds of a run with wasm, measured
   * @returns {Promise<Provider>} the fastest that is right
   */
  async choose(site, model, wasm) {
    const known = this.#read() ?? { provider: "wasm", crashed: [], trials: {} };
    /** @type {Record<string, Trial>} */
    const trials = { wasm: { ok: true, ms: wasm } };
    /** @type {Provider} */
    let best = "wasm";
    for (const candidate of await candidates()) {
      if (known.crashed.includes(candidate)) continue;
      this.using(candidate);
      trials[candidate] = await tryOut(site, candidate, model);
      this.using(null);
      const { ok, ms } = trials[candidate];
      if (ok && ms < WORTH * trials[best].ms) best = candidate;
    }
    this.#write({ ...known, provider: best, trials });
    return best;
  }

  /** @returns {Known | null} */
  #read() {
    try {
      return JSON.parse(this.storage?.getItem(this.key) ?? "null");
    } catch {
      return null; // not ours: as if nothing were known
    }
  }

  /** @param {Known} known */
  #write(known) {
    this.storage?.setItem(this.key, JSON.stringify(known));
  }
}

/** The page's own storage; a browser may refuse it. */
function openStorage() {
  try {
    return globalThis.localStorage;
  } catch {
    return null;
  }
}

/** What is worth a trial: a software adapter counts as no GPU. @returns {Promise<Provider[]>} */
async function candidates() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  if (adapter && !adapter.info?.isFallbackAdapter) return ["webgpu"];
  const gl = new OffscreenCanvas(1, 1).getContext("webgl2");
  const named = gl?.getExtension("WEBGL_debug_renderer_info");
  const renderer = gl && named ? String(gl.getParameter(named.UNMASKED_RENDERER_WEBGL)) : "";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  const software = /swiftshader|llvmpipe|softpipe|software|basic render/i.test(renderer);
  return gl && renderer && !software ? ["webgl"] : [];
}

/**
 * Runs the model's self-check in an engine worker of its own.
 * @param {import("./engine.js").Site} site @param {Provider} backend @param {string} model
 * @returns {Promise<Trial>}
 */
export function tryOut(site, backend, model) {
  const worker = new Worker(new URL("../engine/worker.js", import.meta.url), { type: "module", name: "trial" });
  return new Promise((/** @type {(trial: Trial) => void} */ resolve) => {
    const give = (/** @type {string} */ why) => resolve({ ok: false, ms: 0, why });
    setTimeout(give, PATIENCE, "it did not answer in a minute");
    worker.onmessage = ({ data }) => {
      if (data.type === "trial") resolve(data.trial);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      give(event.message);
    };
    worker.postMessage({ type: "trial", site, backend, model, seconds: SECONDS });
  }).finally(() => worker.terminate());
}
