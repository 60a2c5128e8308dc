// Networks on onnxruntime-web: one provider, its bundle, and a session for each model that is asked for.
import { Crop } from "./crop.js";
import { loading } from "../unreachable.js";
import { sizeOf } from "./frames.js";
import { toFrame } from "./region.js";

/** @typedef {"wasm" | "webgpu" | "webgl"} Provider */
/** @typedef {typeof import("onnxruntime-web")} Ort */
/** @typedef {{name: string, url: string | null, why?: string, fetch?: string, bytes: number, first?: string,
 *   input: {name: string, height: number, width: number, low: number, high: number},
 *   outputs: Record<string, {name: string, shape: number[]}>, check?: Check}} Spec a model in catalogue.json */
/** @typedef {{pattern: string, modulus: number, shift: number, outputs: Record<string, Sampled>}} Check */
/** @typedef {{start: number, step: number, tolerance: number, values: number[]}} Sampled */
/** @typedef {{image: VideoFrame | ImageBitmap, width: number, height: number}} Picture the image of a large one has fewer
 *   pixels than are counted */
/** @typedef {[number, number] | null} Size width and height of the input, of a network that takes any; null for its own */
/** @typedef {{arrays: Float32Array[], shapes: (readonly number[])[], width: number, crop: number, network: number}} Run
 *   `width`: of the input */

/** Which bundle has a provider: only that one is downloaded. @param {Provider} provider */
function bundle(provider) {
  if (provider === "webgl") return "ort.webgl.min.mjs";
  if (provider === "wasm") return "ort.wasm.min.mjs";
  // JSPI calls asynchronous code from wasm without rewriting it, which makes a smaller and faster build.
  return "Suspending" in WebAssembly ? "ort.jspi.min.mjs" : "ort.webgpu.min.mjs";
}

/** The wasm that belongs to a bundle; that for WebGL has none. @type {Record<string, string>} */
const WASM = {
  "ort.wasm.min.mjs": "ort-wasm-simd-threaded.wasm",
  "ort.webgpu.min.mjs": "ort-wasm-simd-threaded.asyncify.wasm",
  "ort.jspi.min.mjs": "ort-wasm-simd-threaded.jspi.wasm",
};

/**
 * Options by which a system begins with another form of its network than usual: with which one, Python knows.
 * ref: pysrc/bodylens/movenet, posenet.py, bodypix.py
 */
const CHOOSING = [
  ...["any_size", "heads", "image_scale_factor", "input_resolution"],
  ...["internal_resolution", "multi_pose_max_dimension", "output_stride"],
];

/** A model that cannot be had; the message says why and what to do. */
export class ModelMissing extends Error {}

/** What the browser lacks for a provider; the message says what to do. */
export class ProviderMissing extends Error {}

/** A provider computes wrongly on this device. */
export class ProviderWrong extends Error {}

export class Networks {
  /** @type {Map<string, Promise<Network>>} */
  #networks = new Map();
  /** @type {Map<string, Network>} */
  #loaded = new Map();
  /** Who uses each network: one that nobody uses any more is released. @type {Map<string, Set<object>>} */
  #holders = new Map();
  /** @type {Promise<unknown>} */
  #turn = Promise.resolve();

  /**
   * @param {Ort} ort
   * @param {Provider} provider
   * @param {Promise<Map<string, Spec>>} catalogue
   * @param {string} base address that the models' addresses are relative to
   * @param {string[]} gzipped addresses where only `address + ".gz"` is there
   * @param {boolean} built whether the site is a static one
   */
  constructor(ort, provider, catalogue, base, gzipped, built) {
    this.ort = ort;
    this.provider = provider;
    this.catalogue = catalogue;
    this.base = base;
    this.gzipped = gzipped;
    this.built = built;
    this.threads = provider === "webgl" ? 1 : Math.max(ort.env.wasm.numThreads ?? 1, 1);
  }

  /** Called as bytes of a model arrive: who waits for a slow network is not to be taken for stuck. */
  arriving = () => undefined;

  /** Called when the graphics card's device is gone, with what the browser says of it. @type {(message: string) => void} */
  lost = () => undefined;
  #watched = false;

  /** Called before (1) and after (-1) what takes long without a break, with the milliseconds of one run. @type {(more: 1 | -1, took?: number) => void} */
  busy = () => undefined;

  /**
   * Loads a provider's bundle.
   * @param {Provider} provider
   * @param {{ort: string, catalogue: string, gzipped?: string[], worker?: string}} site addresses
   */
  static async open(provider, site) {
    const catalogue = fetchCatalogue(site.catalogue);
    catalogue.catch(() => undefined); // heard where a model is asked for
    if (provider === "webgpu" && !(await navigator.gpu?.requestAdapter())) {
      throw new ProviderMissing("This browser offers no WebGPU here: choose wasm, which works everywhere.");
    }
    if (provider === "webgl" && !new OffscreenCanvas(1, 1).getContext("webgl2")) {
      throw new ProviderMissing("This browser offers no WebGL2 here: choose wasm, which works everywhere.");
    }
    /** @type {Ort} */
    const ort = await loading("onnxruntime-web", () => import(site.ort + bundle(provider)));
    const { gzipped = [] } = site;
    const wasm = site.ort + WASM[bundle(provider)];
    if (gzipped.includes(wasm)) ort.env.wasm.wasmBinary = await inflate(await fetch(`${wasm}.gz`));
    ort.env.logLevel = "error";
    ort.env.wasm.wasmPaths = site.ort;
    ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, 4) : 1;
    return new Networks(ort, provider, catalogue, site.catalogue, gzipped, Boolean(site.worker));
  }

  /**
   * A network, loaded when it is first asked for.
   * @param {string} name of a model in the catalogue
   * @param {object} holder who uses it, until `drop`
   * @returns {Promise<Network>}
   */
  get(name, holder) {
    this.#holders.set(name, (this.#holders.get(name) ?? new Set()).add(holder));
    const known = this.#networks.get(name);
    if (known) return known;
    const network = this.#load(name);
    this.#networks.set(name, network);
    network.then(
      (loaded) => this.#networks.get(name) === network && this.#loaded.set(name, loaded),
      () => this.#networks.get(name) === network && this.#forget(name), // so that it may be tried again
    );
    return network;
  }

  /** @param {string} name */
  #forget(name) {
    this.#networks.delete(name);
    this.#loaded.delete(name);
    this.#holders.delete(name);
  }

  /** Releases the networks that nobody but `holder` uses. @param {object} holder */
  drop(holder) {
    for (const [name, holders] of this.#holders) {
      if (!holders.delete(holder) || holders.size) continue;
      const network = this.#networks.get(name);
      this.#forget(name);
      network?.then((loaded) => this.alone(() => loaded.session.release())).catch(() => undefined); // it never came
    }
  }

  /** How many networks are loaded. */
  get count() {
    return this.#loaded.size;
  }

  /**
   * Loads what a system will begin with, where that is known before Python has decided.
   * @param {string} model @param {object} options of the system @param {object} holder
   */
  async preload(model, options, holder) {
    if (!CHOOSING.some((name) => name in options)) await this.first(model, holder);
  }

  /**
   * The network that a model's system usually begins with: not always the plain one.
   * @param {string} model @param {object} holder
   * @returns {Promise<Network>}
   */
  async first(model, holder) {
    const catalogue = await this.catalogue;
    return this.get(catalogue.get(model)?.first ?? model, holder);
  }

  /**
   * A model's entry. WebGL computes some operators wrongly, so a model may have a variant that avoids them.
   * @param {Map<string, Spec>} catalogue @param {string} name "model" or "model+variant"
   */
  #variant(catalogue, name) {
    const spec = catalogue.get(name);
    const careful = this.provider === "webgl" ? catalogue.get(`${name.split("+")[0]}+webgl`) : undefined;
    const fits = careful?.url && Object.keys(spec?.outputs ?? {}).every((key) => key in careful.outputs);
    return fits ? careful : spec;
  }

  /** @param {string} name */
  async #load(name) {
    const spec = this.#variant(await this.catalogue, name);
    if (!spec) {
      const [plain, ...forms] = name.split("+");
      const variant = forms.join("+");
      if (this.built) {
        const how = `bodylens build OUT --models ${variant ? `${plain} ${name}` : name}`;
        throw new ModelMissing(`The model ${name} is not on this site, which was built without it: \`${how}\` has it.`);
      }
      if (!variant) throw new ModelMissing(`There is no model ${name} in this site's catalogue.`);
      const how = `bodylens models fetch ${plain} --variant ${variant}`;
      throw new ModelMissing(`The model ${name} is not on this site. Run \`${how}\`, then try again.`);
    }
    if (!spec.url) {
      const { why = "it was not prepared", fetch = "" } = spec;
      throw new ModelMissing(`The model ${name} is not on this site: ${why}. ${fetch}`);
    }
    const { href } = new URL(spec.url, this.base);
    const gzipped = this.gzipped.includes(href);
    const bytes = await loading(`the model ${name}`, async () => {
      const response = watch(await fetch(gzipped ? `${href}.gz` : href), this.arriving);
      if (!response.ok)
        throw new ModelMissing(`The model ${name} could not be loaded: the server said ${response.status}.`);
      return new Uint8Array(await (gzipped ? inflate(response) : response.arrayBuffer()));
    });
    return this.alone(async () => {
      this.busy(1);
      let took = 0;
      try {
        const network = await this.#create(bytes, spec);
        const start = performance.now();
        if (this.provider === "wasm" || !spec.check) await network.warm();
        else await this.#trust(network);
        took = performance.now() - start;
        return network;
      } finally {
        this.busy(-1, took);
      }
    });
  }

  /** @param {Uint8Array} bytes @param {Spec} spec */
  async #create(bytes, spec) {
    const session = await this.ort.InferenceSession.create(bytes, {
      executionProviders: [this.provider],
      graphOptimizationLevel: "all",
    });
    if (this.provider === "webgpu" && !this.#watched) {
      this.#watched = true;
      // It answers no more from then on, and nothing says so but this.
      // Typed as a promise, and given as the device itself.
      void Promise.resolve(this.ort.env.webgpu.device).then(async (/** @type {any} */ device) => {
        const { reason, message } = await device.lost;
        if (reason !== "destroyed") this.lost(message);
      });
    }
    return new Network(this.ort, session, spec);
  }

  /**
   * Graphics drivers and their providers can be silently wrong: what fails the self-check is never used.
   * @param {Network} network
   */
  async #trust(network) {
    const { ok, why } = await network.check(0);
    if (ok) return;
    await network.session.release();
    throw new ProviderWrong(`${this.provider} gives a wrong answer for ${network.spec.name} here: ${why}.`);
  }

  /** Repeats the self-check of all that is loaded: a driver that was reset or ran long may compute otherwise by now. */
  async recheck() {
    for (const network of [...this.#loaded.values()]) {
      if (network.spec.check) await this.alone(() => this.#trust(network));
    }
  }

  /**
   * Runs one thing at a time: onnxruntime-web allows no more.
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  alone(work) {
    const done = this.#turn.then(work, work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  /**
   * Crops ahead, where the network is loaded and idle.
   * @param {string} name @param {Picture} shot @param {import("./region.js").Region} region @param {Size} size
   */
  prepare(name, shot, region, size) {
    this.#loaded.get(name)?.at(size).prepare(shot, region);
  }

  /**
   * Crops and runs.
   * @param {string} name of a model
   * @param {object} holder who uses it
   * @param {Picture} shot
   * @param {import("./region.js").Region} region
   * @param {string[]} outputs by their names in the catalogue
   * @param {Size} size
   */
  async run(name, holder, shot, region, outputs, size) {
    if (size && this.provider === "webgl") {
      throw new ProviderMissing("WebGL runs networks with an input of one size alone: choose wasm, which takes any.");
    }
    const network = (await this.get(name, holder)).at(size);
    return this.alone(() => network.run(shot, region, outputs));
  }
}

export class Network {
  /**
   * @param {Ort} ort
   * @param {import("onnxruntime-web").InferenceSession} session
   * @param {Spec} spec
   */
  constructor(ort, session, spec) {
    this.ort = ort;
    this.session = session;
    this.spec = spec;
    const { input } = spec;
    this.crop = new Crop(input);
    /** @type {{shot: Picture, region: import("./region.js").Region} | null} */
    this.prepared = null;
    this.feeds = { [input.name]: new ort.Tensor("float32", this.crop.planes, [1, 3, input.height, input.width]) };
    /** This network at another size: the last one asked for. @type {Network | null} */
    this.other = null;
  }

  /** The same network with an input of `size`, which its graph must take. @param {Size} size @returns {Network} */
  at(size) {
    if (!size) return this;
    const [width, height] = size;
    if (this.other?.crop.width !== width || this.other.crop.height !== height) {
      this.other = new Network(this.ort, this.session, { ...this.spec, input: { ...this.spec.input, width, height } });
    }
    return this.other;
  }

  /**
   * Crops ahead of `run`, while there is nothing better to do.
   * @param {Picture} shot
   * @param {import("./region.js").Region} region
   */
  prepare(shot, region) {
    this.#take(shot, region);
    this.prepared = { shot, region };
  }

  /** Crops from the image, in its own pixels. @param {Picture} shot @param {import("./region.js").Region} region */
  #take({ image, width, height }, region) {
    const own = sizeOf(image);
    const [across, down] = [own.width / width, own.height / height];
    const [x, y, w, h, rotation] = region;
    this.crop.take(image, own.width, own.height, [x * across, y * down, w * across, h * down, rotation]);
  }

  /** The first run compiles shaders and plans memory. */
  async warm() {
    await this.session.run(this.feeds);
  }

  /**
   * @param {Picture} shot
   * @param {import("./region.js").Region} region
   * @param {string[]} outputs
   * @returns {Promise<Run>}
   */
  async run(shot, region, outputs) {
    const start = performance.now();
    const { prepared } = this;
    this.prepared = null;
    if (prepared?.shot !== shot || !prepared.region.every((value, i) => value === region[i])) {
      this.#take(shot, region);
    }
    const cropped = performance.now();
    const { arrays, shapes } = await this.infer(outputs);
    return { arrays, shapes, width: this.crop.width, crop: cropped - start, network: performance.now() - cropped };
  }

  /** @param {string[]} outputs @returns {Promise<{arrays: Float32Array[], shapes: (readonly number[])[]}>} */
  async infer(outputs) {
    const names = outputs.map((key) => this.spec.outputs[key].name);
    const results = await this.session.run(this.feeds, [...new Set(names)]);
    const data = await Promise.all(names.map((name) => results[name].getData()));
    // What is wanted twice, as an array and as a mask, is two arrays: each is changed or sent on by its owner.
    const arrays = data.map((array, i) =>
      names.indexOf(names[i]) === i
        ? /** @type {Float32Array} */ (array)
        : Float32Array.from(/** @type {Float32Array} */ (array)),
    );
    return { arrays, shapes: names.map((name) => results[name].dims) };
  }

  /**
   * Runs the model on the pattern that native onnxruntime ran on, and compares.
   * @param {number} seconds how long to go on measuring
   * @returns {Promise<{ok: boolean, error: number, ms: number, why?: string}>} the largest error in units of the
   *   tolerance, and the median milliseconds of a run
   */
  async check(seconds) {
    const { check } = this.spec;
    if (!check) throw new Error(`The model ${this.spec.name} has no self-check.`);
    this.crop.taken = this.prepared = null;
    drawRings(this.crop.planes, this.spec.input, check);
    const keys = Object.keys(check.outputs);
    const { arrays } = await this.infer(keys);
    let error = 0;
    keys.forEach((key, i) => {
      const { start, step, tolerance, values } = check.outputs[key];
      values.forEach((value, n) => {
        const off = Math.abs(arrays[i][start + n * step] - value) / tolerance;
        error = Number.isNaN(off) ? Infinity : Math.max(error, off);
      });
    });
    const times = [];
    const end = performance.now() + 1000 * seconds;
    do {
      const start = performance.now();
      await this.infer(keys);
      times.push(performance.now() - start);
    } while (performance.now() < end);
    const ok = error <= 1;
    const why = ok ? undefined : `it is wrong by ${error.toFixed(1)} times what is tolerated`;
    return { ok, error, why, ms: times.sort((a, b) => a - b)[times.length >> 1] };
  }
}

/**
 * The self-check's input: a picture of rings made of integers, the same to the last bit in Python.
 * ref: models/bodylens_models/check.py
 * @param {Float32Array} planes @param {import("./crop.js").Input} input @param {{modulus: number, shift: number}} rings
 */
export function drawRings(planes, { width, height, low, high }, { modulus, shift }) {
  let i = 0;
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const ring = ((2 * x - width) ** 2 + (2 * y - height) ** 2 + c * shift) % modulus;
        planes[i++] = low + (high - low) * (ring / modulus);
      }
    }
  }
}

/** The same response, which tells of every piece as it is read. @param {Response} response @param {() => void} tell */
function watch(response, tell) {
  const pieces = new TransformStream({
    transform(piece, controller) {
      tell();
      controller.enqueue(piece);
    },
  });
  return new Response(response.body?.pipeThrough(pieces), response);
}

/** A gzipped file, which some hosts inflate on the way. @param {Response} response @returns {Promise<ArrayBuffer>} */
async function inflate(response) {
  if (!response.ok) throw new Error(`${response.url} could not be loaded: the server said ${response.status}.`);
  const bytes = await response.arrayBuffer();
  const [first, second] = new Uint8Array(bytes, 0, 2);
  if (first !== 0x1f || second !== 0x8b) return bytes;
  if (!("DecompressionStream" in globalThis)) {
    throw new Error("This browser is too old to unpack what this site ships: it needs Safari 16.4 or Firefox 113.");
  }
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

/** @param {string} address @returns {Promise<Map<string, Spec>>} */
async function fetchCatalogue(address) {
  const response = await loading("the list of models", () => fetch(address));
  if (!response.ok)
    throw new ModelMissing(`The catalogue of models could not be loaded: the server said ${response.status}.`);
  const specs = /** @type {Spec[]} */ (await response.json());
  return new Map(specs.map((spec) => [spec.name, spec]));
}

/** @param {import("./region.js").Region} region for the compositor: where a mask lies */
export const maskMatrix = (region) => Float32Array.from(toFrame(region));
