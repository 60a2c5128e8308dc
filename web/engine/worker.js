// The engine: it owns every pixel. Frames come in, networks run, Python decides, the canvas shows.
import { countDownloads, countMemories, downloaded } from "../downloads.js";
import { unpack } from "../people.js";
import { serveClient } from "./clients.js";
import { Compositor } from "./compositor.js";
import { Decider } from "./decider.js";
import { Frames } from "./frames.js";
import { Masks, unite } from "./masks.js";
import { maskMatrix, ModelMissing, Networks, ProviderMissing, ProviderWrong } from "./networks.js";
import { Stats } from "./stats.js";

/** @typedef {import("./decider.js").Request} Request */
/** @typedef {import("./decider.js").Result} Result */

const scope = /** @type {DedicatedWorkerGlobalScope} */ (/** @type {unknown} */ (globalThis));

/** How often the page hears of speed, milliseconds. */
const REPORT = 250;
/** So many frames in a row may fail before the person is told. */
const PATIENCE = 3;

const heap = countMemories();

/** @param {string} code @param {unknown} error @param {string} action what may help: "restart", "wasm", "model" */
function fail(code, error, action) {
  const message = error instanceof Error ? error.message : String(error);
  scope.postMessage({ type: "error", code, message, action });
}

class Engine {
  frames = new Frames(
    () => scope.postMessage({ type: "wanted" }),
    () => scope.postMessage({ type: "ended" }),
  );
  masks = new Masks();
  stats = new Stats();
  decider = new Decider();
  /** @type {Partial<View>} */
  view = {};
  /** The next frame, where it was taken while Python decided. @type {import("./frames.js").Shot | null} */
  #early = null;
  /** Python's decision on the last frame. @type {Promise<unknown>} */
  #deciding = Promise.resolve();
  /** @type {((held: import("./clients.js").Held) => void)[]} */
  #watchers = [];
  /** Python is the longer of the two to start: on two cores it goes first. */
  release = () => undefined;
  #released = new Promise((resolve) => {
    this.release = () => void resolve(undefined);
  });
  #index = 0;
  #size = { width: 0, height: 0 };
  #failures = 0;
  #clients = 0;
  /** Ends the service of the last script, which holds pictures. */
  #leave = () => {};
  #reported = 0;
  /** How many files were loaded. */
  #used = 0;
  #running = false;

  /**
   * @param {{site: {ort: string, catalogue: string}, backend: import("./networks.js").Provider, model: string,
   *   options: object, canvas: OffscreenCanvas, python: MessagePort, patient: boolean}} start
   */
  constructor({ site, backend, model, options, canvas, python, patient }) {
    this.backend = backend;
    this.compositor = new Compositor(canvas, {
      lost: () => fail("graphics-lost", "The graphics driver took the canvas away; it comes back by itself.", ""),
      restored: () => scope.postMessage({ type: "restored" }),
    });
    this.decider.connect(python);
    if (!patient) this.release();
    this.networks = this.#open(site, model, options);
    this.networks.catch(() => undefined); // told where it is opened
    void this.#loop();
  }

  /**
   * @param {{ort: string, catalogue: string}} site
   * @param {string} model loaded at once, while Python boots @param {object} options of its system
   */
  async #open(site, model, options) {
    await this.#released;
    try {
      const networks = await Networks.open(this.backend, site);
      networks.arriving = () => void scope.postMessage({ type: "arriving" });
      await networks.foresee(model, options);
      scope.postMessage({ type: "ready", backend: this.backend, threads: networks.threads });
      return networks;
    } catch (error) {
      if (error instanceof ModelMissing) fail("model-missing", error, "model");
      else if (error instanceof ProviderMissing) fail(`no-${this.backend}`, error, "wasm");
      else if (error instanceof ProviderWrong) fail("provider-wrong", error, "wasm");
      else fail("network", error, this.backend === "wasm" ? "restart" : "wasm");
      throw error;
    }
  }

  async #loop() {
    const networks = await this.networks;
    await this.decider.ready;
    for (;;) {
      const asked = performance.now();
      const shot = this.#early ?? (await this.frames.next());
      this.#early = null;
      this.stats.add("wait", performance.now() - asked);
      try {
        if (!shot.source.aborted) await this.#frame(networks, shot);
      } catch (error) {
        if (!shot.source.aborted) this.#failed(error);
      } finally {
        shot.close();
      }
      this.#report();
      // A still picture is not shown more often than the screen can; a camera sets its own pace.
      if (shot.still) await this.#shown();
      // Messages (settings, pause) get their turn even when frames are always waiting.
      if (this.#failures) await new Promise((resolve) => setTimeout(resolve, 50 * this.#failures));
    }
  }

  /**
   * One frame: look, decide, draw. Where every frame begins with the same requests, the next one need not wait for
   * Python, which then decides beside the drawing and the next network.
   * @param {Networks} networks @param {import("./frames.js").Shot} shot
   */
  async #frame(networks, shot) {
    const begun = performance.now();
    const { width, height, time } = shot;
    // A phone was turned, or its camera changed: what was smoothed before has another shape.
    if (width !== this.#size.width || height !== this.#size.height) this.masks.forget("live");
    this.#size = { width, height };
    const frame = { index: this.#index++, time, width, height };
    const spent = { network: 0, draw: 0 };
    /** @param {Request[]} requests */
    const run = async (requests) => {
      const { results, network } = await this.run(networks, "live", shot, requests, this.stats);
      spent.network += network;
      return results;
    };
    const { topology } = this.decider;
    /** @param {import("../people.js").MaskAt[]} masks @param {Float64Array} [packed] people with keypoints */
    const draw = (masks, packed) => {
      const start = performance.now();
      const maps = this.#maps(masks, width, height);
      const bodies = packed && topology.names.length ? { ...maps, packed, topology } : null;
      this.compositor.draw(shot.image, width, height, maps.mask, this.view, bodies);
      spent.draw = performance.now() - start;
      this.stats.add("draw", spent.draw);
      this.stats.add("total", performance.now() - begun);
      this.stats.frame();
    };

    const { text } = this.decider.ahead;
    const announced = this.decider.announced(width, height);
    const ran = announced ? { text, results: await run(announced) } : null;
    const mask = ran?.results[0].masks[0];
    const before = performance.now();
    await this.#deciding;
    this.stats.add("journey", performance.now() - before);
    const deciding = this.decider.decide(frame, ran, run);
    if (this.decider.steady && announced && mask && !topology.names.length) {
      this.#deciding = this.#decided(deciding, shot.source);
      draw([{ handle: mask, region: announced[0].region }]);
      for (const watch of this.#watchers.splice(0)) {
        watch({ image: await createImageBitmap(shot.image), time, width, height });
      }
      this.#prepare(networks, frame);
    } else {
      const people = await this.#decided(deciding, shot.source);
      if (people) draw(unpack(people).masks, people);
    }
    this.stats.add("overhead", performance.now() - begun - spent.network - spent.draw);
  }

  /**
   * Hears what Python decided, and tells the page.
   * @param {Promise<{people: Float64Array, ms: number}>} deciding
   * @param {AbortSignal} source of the frame; who has left it hears no more of it
   * @returns {Promise<Float64Array | null>} null where it failed: that costs the frame, not the tracking
   */
  async #decided(deciding, source) {
    try {
      const { people, ms } = await deciding;
      if (source.aborted) return null;
      this.stats.add("python", ms);
      if (!this.#running) scope.postMessage({ type: "running" });
      this.#running = true;
      scope.postMessage({ type: "people", people });
      this.#failures = 0;
      return people;
    } catch (error) {
      this.#failed(error);
      return null;
    }
  }

  /** @param {unknown} error */
  #failed(error) {
    this.#failures++;
    if (error instanceof ModelMissing) {
      if (this.#failures === 1) fail("model-missing", error, "model");
    } else if (this.#failures === PATIENCE) fail("frame", error, "restart");
  }

  /**
   * Takes and crops the next frame while Python decides this one, where it will be asked the same.
   * @param {Networks} networks @param {{width: number, height: number}} frame
   */
  #prepare(networks, frame) {
    const start = performance.now();
    const shot = (this.#early = this.frames.take());
    if (shot?.width !== frame.width || shot.height !== frame.height) return;
    const [first] = this.decider.ahead.requests;
    networks.prepare(first.model, shot, first.region, first.size);
    this.stats.add("ahead", performance.now() - start);
  }

  /** Waits until what was drawn is shown. */
  async #shown() {
    const drawn = performance.now();
    await new Promise((resolve) => requestAnimationFrame(resolve));
    this.stats.add("present", performance.now() - drawn);
  }

  /**
   * The masks of one or several people, and the maps beside them, as the compositor takes them.
   * @param {import("../people.js").MaskAt[]} given @param {number} width @param {number} height of the frame
   */
  #maps(given, width, height) {
    const found = given.flatMap(({ handle, region }) => {
      const mask = this.masks.get(handle);
      return mask ? [{ mask, region }] : [];
    });
    /** @param {string} meaning */
    const of = (meaning) => found.filter(({ mask }) => mask.keep.meaning === meaning);
    const persons = of("person");
    const [parts, offsets] = ["parts", "long_offsets"].map((meaning) => of(meaning)[0]?.mask);
    if (!persons.length) return { mask: null, parts, offsets };
    const [{ mask, region }] = persons;
    const { late } = mask.keep;
    const whole = persons.length === 1 ? { ...mask, region, late } : unite(persons, width, height);
    return { mask: { ...whole, matrix: maskMatrix(whole.region) }, region: whole.region, parts, offsets };
  }

  /**
   * Answers requests, one after another.
   * @param {Networks} networks
   * @param {string} client
   * @param {{image: VideoFrame | ImageBitmap, width: number, height: number}} shot
   * @param {Request[]} requests
   * @param {Stats} [stats]
   * @returns {Promise<{results: Result[], network: number}>} and the milliseconds in the networks
   */
  async run(networks, client, shot, requests, stats) {
    const results = [];
    let [crop, network, mask] = [0, 0, 0];
    for (const { model, region, size, fetch, keep } of requests) {
      const outputs = [...fetch, ...keep.map(({ output }) => output)];
      const run = await networks.run(model, shot, region, outputs, size);
      crop += run.crop;
      network += run.network;
      const start = performance.now();
      const kept = keep.flatMap((wish, i) => {
        const [height, width] = run.shapes[fetch.length + i].slice(-2);
        const data = run.arrays[fetch.length + i];
        // The first and the last cell are centred on the first and the last pixel of the input.
        const stride = Math.round((run.width - 1) / Math.max(width - 1, 1));
        return this.masks.keep({ data, width, height, region, stride }, wish, `${client}/${model}`);
      });
      mask += performance.now() - start;
      results.push({
        arrays: run.arrays.slice(0, fetch.length),
        shapes: run.shapes.slice(0, fetch.length),
        masks: Float64Array.from(kept),
      });
    }
    stats?.add("crop", crop);
    stats?.add("network", network);
    stats?.add("mask", mask);
    return { results, network };
  }

  /** @param {MessagePort} port */
  addClient(port) {
    this.#leave();
    this.#leave = serveClient(port, `script ${++this.#clients}`, {
      networks: () => this.networks,
      masks: this.masks,
      current: () => {
        if (!this.frames.flowing) throw new Error("The page shows nothing yet: start the camera or the sample first.");
        return new Promise((resolve) => this.#watchers.push(resolve));
      },
      run: async (client, shot, requests) => (await this.run(await this.networks, client, shot, requests)).results,
    });
  }

  #report() {
    const now = performance.now();
    if (now - this.#reported < REPORT) return;
    this.#reported = now;
    const { fps, latency, pace, out } = this.stats;
    const frames = { ...this.frames.counts, out };
    scope.postMessage({
      type: "stats",
      stats: { fps, latency, pace, frames, bytes: downloaded(), heap: heap(), backend: this.backend },
      python: this.decider.heap,
    });
    // A system may come to a network only with its first frames, and a person to another model at any time.
    const used = performance.getEntriesByType("resource").map(({ name }) => name);
    if (used.length > this.#used) scope.postMessage({ type: "used", used });
    this.#used = used.length;
  }
}

/** @type {Engine | null} */
let engine = null;

/** @type {Record<string, (data: any) => unknown>} */
const messages = {
  start: (data) => {
    if (data.first) {
      countDownloads((loaded, total) => scope.postMessage({ type: "progress", part: "engine", loaded, total }));
    }
    scope.postMessage({ type: "features", trackProcessor: "MediaStreamTrackProcessor" in globalThis });
    engine = new Engine(data);
  },
  source: ({ source }) => {
    engine?.masks.forget("live");
    engine?.compositor.clear();
    engine?.frames.open(source);
    scope.postMessage({ type: "sourced" });
  },
  frame: ({ frame, time, size }) => engine?.frames.push(frame, time, size),
  view: ({ view }) => {
    if (!engine) return;
    engine.view = view;
    engine.compositor.redraw(view);
  },
  model: ({ model, options }) => {
    engine?.masks.forget("live");
    engine?.networks
      .then((networks) => networks.foresee(model, options))
      .catch((error) => fail(error instanceof ModelMissing ? "model-missing" : "network", error, "model"));
  },
  pause: () => {
    if (engine) engine.frames.paused = true;
  },
  resume: () => {
    if (engine) engine.frames.paused = false;
  },
  release: () => engine?.release(),
  python: ({ port }) => engine?.decider.connect(port),
  client: ({ port }) => engine?.addClient(port),
  trial: async ({ site, backend, model, seconds }) => {
    try {
      const network = await (await Networks.open(backend, site)).first(model);
      scope.postMessage({ type: "trial", trial: await network.check(seconds) });
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      scope.postMessage({ type: "trial", trial: { ok: false, ms: 0, why } });
    }
  },
  snapshot: async ({ id }) => {
    try {
      const blob = await engine?.compositor.snapshot();
      scope.postMessage({ type: "snapshot", id, blob });
    } catch (error) {
      scope.postMessage({ type: "snapshot", id, message: error instanceof Error ? error.message : String(error) });
    }
  },
};

scope.onmessage = ({ data }) => {
  try {
    messages[data.type](data);
  } catch (error) {
    fail(data.type === "start" ? "no-webgl2" : "engine", error, "restart");
  }
};
