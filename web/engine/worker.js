// The engine: it owns every pixel. Frames come in, networks run, Python decides, the canvas shows.
import { countDownloads, countMemories, downloaded } from "../downloads.js";
import { holdForLife } from "../life.js";
import { unpack } from "../people.js";
import { CLOSED, serveClient } from "./clients.js";
import { Compositor } from "./compositor.js";
import { Unreachable } from "../unreachable.js";
import { Decider, Superseded } from "./decider.js";
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
/** Milliseconds after which a graphics card's answers are checked again. */
const TRUSTED = 600_000;

const heap = countMemories();

/** @param {string} code @param {unknown} error @param {string} action what may help: "restart", "wasm", "model" */
function fail(code, error, action) {
  const message = error instanceof Error ? error.message : String(error);
  scope.postMessage({ type: "error", code, message, action });
}

/** What a failed load is called. @param {unknown} error @returns {string | null} */
function missing(error) {
  if (error instanceof ModelMissing) return "model-missing";
  return error instanceof Unreachable ? "unreachable" : null;
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
  /** The live pipeline, as a user of networks. @type {import("./clients.js").User} */
  #live = { streams: new Map() };
  /** The pipeline whose networks are loaded beside it. @type {import("./clients.js").User | null} */
  #next = null;
  /** Those before, whose networks stay until the new one has found something. @type {import("./clients.js").User[]} */
  #former = [];
  /** Python is the longer of the two to start: on two cores it goes first. */
  release = () => undefined;
  #released = new Promise((resolve) => {
    this.release = () => void resolve(undefined);
  });
  #index = 0;
  #size = { width: 0, height: 0 };
  #failures = 0;
  /** Ends the service of the last script, which holds pictures. */
  #leave = () => {};
  #reported = 0;
  /** When the networks' answers were last checked. */
  #checked = performance.now();
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
      restored: () => {
        scope.postMessage({ type: "restored" });
        this.#checked = -Infinity;
      },
    });
    this.#live.model = model;
    this.decider.prepared = (prepared) => void this.#load(prepared);
    this.decider.opened = () => this.#adopted();
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
      networks.lost = (message) => void scope.postMessage({ type: "died", part: "engine", message });
      networks.busy = (more, took) => void scope.postMessage({ type: "busy", more, took });
      await networks.preload(model, options, this.#live).catch((error) => {
        const code = missing(error);
        if (!code) throw error;
        fail(code, error, "model"); // another model may be chosen
      });
      scope.postMessage({ type: "busy", more: -1 });
      scope.postMessage({ type: "ready", backend: this.backend, threads: networks.threads });
      return networks;
    } catch (error) {
      const code = missing(error);
      if (code) fail(code, error, "retry");
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
      this.#report(networks.count);
      if (this.backend !== "wasm" && performance.now() - this.#checked > TRUSTED) await this.#recheck(networks);
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
    const { width, height, time, still } = shot;
    // A phone was turned, or its camera changed: what was smoothed before has another shape.
    if (width !== this.#size.width || height !== this.#size.height) this.#live.streams.clear();
    this.#size = { width, height };
    const frame = { index: this.#index++, time, width, height, still };
    const spent = { network: 0, draw: 0 };
    /** @param {Request[]} requests */
    const run = async (requests) => {
      const { results, network } = await this.run(networks, this.#live, shot, requests, this.#live.streams, this.stats);
      spent.network += network;
      return results;
    };
    /** @param {import("../people.js").MaskAt[]} masks @param {Float64Array} [packed] people with keypoints */
    const draw = (masks, packed) => {
      const start = performance.now();
      const maps = this.#maps(masks, width, height);
      const { topology } = this.decider;
      const bodies = packed && topology.names.length ? { ...maps, packed, topology } : null;
      this.compositor.draw(shot.image, width, height, maps.mask, this.shown, bodies);
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
    if (this.decider.steady && announced && mask && !this.decider.topology.names.length) {
      this.#deciding = this.#decided(deciding, shot.source);
      draw([{ handle: mask, region: announced[0].region }]);
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
      scope.postMessage({ type: "people", people, model: this.#live.model });
      this.#failures = 0;
      if (this.#former.length) await this.#dropFormer();
      return people;
    } catch (error) {
      this.#failed(error);
      return null;
    }
  }

  /** @param {unknown} error */
  #failed(error) {
    if (error instanceof Superseded) return;
    this.#failures++;
    const code = missing(error);
    if (code) {
      if (this.#failures === 1) fail(code, error, "model");
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

  /** Sees whether the networks are still right. @param {Networks} networks */
  async #recheck(networks) {
    this.#checked = performance.now();
    try {
      await networks.recheck();
    } catch (error) {
      fail(error instanceof ProviderWrong ? "provider-wrong" : "network", error, "wasm");
    }
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
   * @param {import("./clients.js").User} user who asks
   * @param {{image: VideoFrame | ImageBitmap, width: number, height: number}} shot
   * @param {Request[]} requests
   * @param {import("./masks.js").Streams} streams the smoothed masks to go on with
   * @param {Stats} [stats]
   * @returns {Promise<{results: Result[], network: number}>} and the milliseconds in the networks
   */
  async run(networks, user, shot, requests, streams, stats) {
    const results = [];
    let [crop, network, mask] = [0, 0, 0];
    for (const { model, region, size, fetch, keep } of requests) {
      if (user.closed) throw new Error(CLOSED);
      const outputs = [...fetch, ...keep.map(({ output }) => output)];
      const run = await networks.run(model, user, shot, region, outputs, size);
      crop += run.crop;
      network += run.network;
      const start = performance.now();
      const kept = keep.flatMap((wish, i) => {
        const [height, width] = run.shapes[fetch.length + i].slice(-2);
        const data = run.arrays[fetch.length + i];
        // The first and the last cell are centred on the first and the last pixel of the input.
        const stride = Math.round((run.width - 1) / Math.max(width - 1, 1));
        return this.masks.keep({ data, width, height, region, stride }, wish, streams, model);
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

  /** Another script takes the place of the last; or none does. @param {MessagePort | null} port */
  changeClient(port) {
    this.#leave();
    this.#leave = () => {};
    if (!port) return;
    this.#leave = serveClient(port, {
      networks: () => this.networks,
      masks: this.masks,
      current: () => this.frames.copy(),
      run: async (user, shot, requests, streams) =>
        (await this.run(await this.networks, user, shot, requests, streams)).results,
    });
  }

  /** What was smoothed goes on no longer. */
  forget() {
    this.#live.streams.clear();
  }

  /**
   * Begins to load what another model needs. The one that runs goes on until that is there; its skeletons are hidden.
   * @param {string} model @param {object} options of its system
   */
  async change(model, options) {
    const before = this.#next;
    /** @type {import("./clients.js").User} */
    const next = (this.#next = { streams: new Map(), model });
    this.#failures = 0;
    this.compositor.redraw(this.shown);
    const networks = await this.networks;
    try {
      if (this.#next === next) await networks.preload(model, options, next);
    } finally {
      if (before) networks.drop(before);
    }
  }

  /** Loads the networks of the pipeline that Python has prepared, and has it run. @param {{id: number, models: string[]}} prepared */
  async #load({ id, models }) {
    const next = (this.#next ??= { streams: new Map(), model: this.#live.model });
    try {
      const networks = await this.networks;
      await Promise.all(models.map((model) => networks.get(model, next)));
      if (this.#next === next) this.decider.adopt(id);
      else networks.drop(next);
    } catch (error) {
      if (this.#next === next) fail(missing(error) ?? "network", error, "model");
    }
  }

  /** Python runs another pipeline from now on. */
  #adopted() {
    if (!this.#next) return;
    this.#former.push(this.#live);
    this.#live = this.#next;
    this.#next = null;
  }

  async #dropFormer() {
    const networks = await this.networks;
    for (const user of this.#former.splice(0)) networks.drop(user);
  }

  /** How the picture is to look now: no skeleton of one model is shown under the name of another. */
  get shown() {
    const changing = this.#next && this.#next.model !== this.#live.model;
    return changing ? { ...this.view, skeleton: false } : this.view;
  }

  /** @param {number} sessions how many networks are loaded */
  #report(sessions) {
    const now = performance.now();
    if (now - this.#reported < REPORT) return;
    this.#reported = now;
    const { fps, latency, pace, out } = this.stats;
    const frames = { ...this.frames.counts, out };
    scope.postMessage({
      type: "stats",
      stats: { sessions, fps, latency, pace, frames, bytes: downloaded(), heap: heap(), backend: this.backend },
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
    holdForLife(data.lock, () => scope.postMessage({ type: "alive" }));
    if (data.first) {
      countDownloads((loaded, total) => scope.postMessage({ type: "progress", part: "engine", loaded, total }));
    }
    scope.postMessage({ type: "features", trackProcessor: "MediaStreamTrackProcessor" in globalThis });
    engine = new Engine(data);
  },
  source: ({ source }) => {
    engine?.forget();
    engine?.compositor.clear();
    engine?.frames.open(source);
    scope.postMessage({ type: "sourced" });
  },
  frame: ({ frame, time, size }) => (engine ? engine.frames.push(frame, time, size) : frame.close()),
  view: ({ view }) => {
    if (!engine) return;
    engine.view = view;
    engine.compositor.redraw(engine.shown);
  },
  model: ({ model, options }) => {
    engine?.change(model, options).catch(() => undefined); // told where all that it needs is loaded
  },
  ping: () => scope.postMessage({ type: "pong" }),
  pause: () => {
    if (engine) engine.frames.paused = true;
  },
  resume: () => {
    if (engine) engine.frames.paused = false;
  },
  release: () => engine?.release(),
  python: ({ port }) => engine?.decider.connect(port),
  client: ({ port }) => engine?.changeClient(port),
  ended: () => engine?.frames.end(),
  trial: async ({ site, backend, model, seconds }) => {
    try {
      const network = await (await Networks.open(backend, site)).first(model, {});
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
