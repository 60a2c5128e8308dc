// The page: wires settings, source, workers and what is seen. Nothing here works on pixels.
import { Backend } from "./backend.js";
import { Camera } from "./camera.js";
import { listenForDrops } from "./drops.js";
import { Engine } from "./engine.js";
import { Heat, STEPS } from "./heat.js";
import { keepLater, keepUsed } from "./keeper.js";
import { Look } from "./look.js";
import { Offline } from "./offline.js";
import { Panel } from "./panel.js";
import { startPrivacy } from "./privacy.js";
import { Problem } from "./problems.js";
import { protect } from "./protection.js";
import { toRecord } from "./record.js";
import { Settings } from "./settings.js";
import { readSite } from "./site.js";
import { openFile, openSource } from "./source.js";
import { Stage } from "./stage.js";
import { WakeLock } from "./wakelock.js";
import { World } from "./world.js";

/** Milliseconds without a finished picture after which the engine counts as stuck. */
const STALLED = 20000;

/** Frames after which the speed of a provider is known. */
const SETTLED = 100;

/** Frames after which there is time for other things. */
const SMOOTH = 10;

/** Messages that no other source or setting helps against. */
const FINAL = ["browser-old", "no-webgl2"];

/** Messages that go away by themselves once pictures come again. */
const PASSING = ["frame", "stalled"];

/** Why another model cannot be had: then the one before goes on. */
const REFUSED = ["model-missing", "unreachable", "network", "options"];

/** Milliseconds within which a worker that is gone is started again once by itself. */
const REVIVAL = 60000;

/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

class App {
  settings = new Settings(location.search);
  site = readSite();
  stage = new Stage((action) => this.act(action));
  backend = new Backend(this.site.version);
  offline = new Offline(this.site);
  engine = new Engine(this.site, element("canvas-holder"), (message) => this.hear(message));
  panel = new Panel(this.settings, {
    openFile: (file) => void this.openFile(file),
    openBackground: (file) => void this.openBackground(file),
    choose: (source) => void this.choose(source),
  });

  look = new Look(this.settings, element("canvas-holder"), (view) => this.engine.send({ type: "view", view }));

  /** @type {import("./source.js").Source | null} */
  source = null;
  /** @type {Problem | null} */
  problem = null;
  /** The graphics driver has the canvas: nothing but getting it back helps. @type {Problem | null} */
  lost = null;
  opening = false;
  paused = false;
  /** Something else, such as a call, has the camera for a while. */
  interrupted = false;
  ready = false;
  booted = false;
  running = false;
  choosing = false;
  /** The model that last found something. */
  model = "";

  wakelock = new WakeLock();
  heat = new Heat();
  /** What the system says of the processor. @type {import("./heat.js").Pressure} */
  pressure = "nominal";
  /** How many cameras there are. */
  cameras = 0;

  /** @type {Float64Array | null} */
  people = null;
  /** The keypoints that the system finds. @type {import("./world.js").Topology} */
  topology = { names: [], sides: [], edges: [] };
  /** The view in three dimensions, once it was opened. @type {World | null} */
  world = null;
  /** @type {Record<string, any>} */
  stats = {};
  startup = { ready: 0, python: 0, firstResult: 0 };
  /** @type {Record<string, any>} */
  python = {};
  longTasks = { count: 0, longest: 0 };

  #alive = 0;
  #revived = -REVIVAL;
  /** Whether the notice speaks of a model. */
  #noticed = false;
  #openings = 0;
  #keeping = false;
  /** Addresses of what the engine loaded, and of what is kept of it. @type {string[]} */
  #used = [];
  #kept = this.#used;
  #cameraAsked = false;
  #features = promise();

  /** @param {string} unprotected why the browser does not enforce the promise; "" where it does */
  start(unprotected) {
    if (!unprotected) startPrivacy();
    if (!unprotected) this.site.gzipped = []; // the service worker inflates
    void this.offline.show();
    element("unprotected").hidden = !unprotected;
    element("unprotected").textContent = unprotected;
    if (!("transferControlToOffscreen" in HTMLCanvasElement.prototype)) {
      this.fail(new Problem("browser-old"));
      return;
    }
    this.restart();
    void this.panel.listModels(this.site.catalogue);
    this.settings.addEventListener("change", (event) => this.#changed(/** @type {CustomEvent} */ (event).detail));
    this.#listen();
    const source = this.settings.get("source");
    if (source === "file") this.fail(new Problem("source-file"));
    else if (source) void this.choose(source);
  }

  /** Starts both workers, the first time or anew. */
  restart() {
    const { settings } = this;
    this.booted = false;
    this.#renew();
    this.engine.start({ backend: this.#provider(), model: settings.get("model"), options: this.#options });
    this.#connect();
  }

  /** The provider to start with. */
  #provider() {
    const asked = this.settings.get("backend");
    return asked === "auto" ? this.backend.provider : asked;
  }

  /** @param {string} provider */
  #changeBackend(provider) {
    this.#renew();
    this.engine.changeBackend(provider);
    this.#connect();
  }

  /** On a device that is new to us: once all runs smoothly, see whether another provider is faster. */
  async #improve() {
    const { backend, settings, site } = this;
    const network = this.stats.latency?.network;
    if (this.choosing || !network || settings.get("backend") !== "auto" || backend.tried) return;
    this.choosing = true;
    const provider = await backend.choose(site, settings.get("model"), network);
    this.choosing = false;
    if (settings.get("backend") === "auto" && provider !== this.stats.backend) this.#changeBackend(provider);
  }

  /** Once all runs, this device keeps what the visit used, if the site has it so. */
  async #keep() {
    if (this.#keeping || this.#kept === this.#used) return;
    this.#keeping = true;
    this.#kept = this.#used;
    const kept = (await keepUsed(this.site, this.#used)) || (await keepLater(this.site));
    this.#keeping = false;
    if (kept) void this.offline.show();
  }

  /** A fresh engine knows nothing yet. */
  #renew() {
    this.problem = this.lost = null;
    this.ready = this.running = false;
    this.look.renew();
    this.#features = promise();
  }

  /** Gives a fresh engine what it needs. */
  #connect() {
    this.look.send();
    if (this.#stopped) this.engine.send({ type: "pause" });
    void this.#attach();
    this.show();
  }

  async #attach() {
    const { source } = this;
    if (!source) return;
    const features = await this.#features.promise;
    if (source !== this.source) return;
    try {
      await source.attach(this.engine, features);
    } catch (error) {
      if (source === this.source) this.fail(error);
    }
  }

  /** What a source may tell. @type {import("./source.js").On} */
  #on = {
    ended: (code, detail, text) => {
      this.engine.send({ type: "ended" });
      this.fail(new Problem(code, detail, text));
    },
    interrupted: (yes) => this.#interrupt(yes),
    reduced: (why) => this.stage.notice(why),
  };

  /** @param {File} file */
  openFile(file) {
    return this.open(() => openFile(file, this.#on), "file");
  }

  /** @param {string} address camera, sample or an address */
  choose(address) {
    const { site, settings } = this;
    const options = { device: settings.get("device"), facing: settings.get("facing"), ...this.#on };
    return this.open(() => openSource(address, site, options), address);
  }

  /**
   * Replaces the source.
   * @param {() => Promise<import("./source.js").Source>} open
   * @param {string} address what the link will say
   */
  async open(open, address) {
    const { settings } = this;
    if (this.problem && FINAL.includes(this.problem.code)) return;
    const opening = ++this.#openings;
    const before = settings.get("source");
    if (before && before !== address) settings.forget("mirror");
    this.#close();
    this.panel.name("");
    this.opening = true;
    this.problem = this.lost;
    settings.set("source", address);
    settings.write();
    this.show();
    try {
      const source = await open();
      if (opening !== this.#openings) {
        source.close(); // the person has chosen something else meanwhile
        return;
      }
      this.source = source;
    } catch (error) {
      if (opening === this.#openings) this.fail(error);
      return;
    } finally {
      if (opening === this.#openings) this.opening = false;
    }
    settings.assume("mirror", this.source.mirrored);
    this.panel.name(["camera", "sample"].includes(address) ? "" : this.source.name);
    this.heat = new Heat();
    this.setPaused(false);
    this.#showCamera();
    await this.#attach();
  }

  #close() {
    this.engine.send({ type: "source", source: null });
    this.source?.close();
    this.source = null;
    this.running = false;
    this.people = null;
    this.interrupted = false;
    this.stage.notice("");
  }

  /** Shows what the camera can do, and tells what became of it. */
  #showCamera() {
    const { source } = this;
    const camera = source instanceof Camera ? source : null;
    const { torch, lit } = camera ?? { torch: false, lit: false };
    this.stage.camera({ switch: camera !== null && this.cameras > 1, torch, lit });
  }

  /** Once a camera gives pictures, its names and abilities are known. @param {Camera} camera */
  async #meet(camera) {
    if (camera.instead) this.stage.notice(camera.instead);
    camera.instead = "";
    this.#showCamera();
    this.cameras = await this.panel.listCameras();
    this.#showCamera();
  }

  /** To the camera on the other side, or to the next one. */
  async switchCamera() {
    const { source, settings } = this;
    if (!(source instanceof Camera)) return;
    const { device, facing } = await source.next();
    settings.forget("mirror");
    settings.set("device", device);
    if (facing) settings.set("facing", facing);
  }

  async switchTorch() {
    const { source } = this;
    if (!(source instanceof Camera)) return;
    if (!(await source.light(!source.lit))) this.stage.notice("The torch cannot be switched on right now.");
    this.#showCamera();
  }

  /** @param {boolean} yes whether something else has the camera now */
  #interrupt(yes) {
    this.interrupted = yes;
    this.stage.notice(yes ? "The camera is interrupted, perhaps by a call. It goes on by itself." : "", 0);
    this.#applyPause();
  }

  /** A hot device is a slow one: asks less of the camera, and more again once it has recovered. @param {number | null} pace */
  async #cool(pace) {
    const { source, settings, heat } = this;
    if (!(source instanceof Camera)) return;
    const now = performance.now();
    if (this.#stopped || this.choosing || pace === null) {
      heat.rest(now);
      return;
    }
    const work = [settings.get("model"), this.stats.backend, settings.get("effect"), this.people?.[4]].join(" ");
    const before = heat.step;
    if (!heat.observe(now, pace, work, this.pressure) || !(await source.ask(STEPS[heat.step]))) return;
    const { width, height, frameRate = 0 } = source.track.getSettings();
    const what = `${width} × ${height}, ${Math.round(frameRate)} pictures a second`;
    const less = `This device is getting slow, so the camera gives less: ${what}.`;
    this.stage.notice(heat.step > before ? less : `The camera gives more again: ${what}.`);
  }

  /** @param {File} file */
  async openBackground(file) {
    try {
      await this.look.openBackground(file);
    } catch (error) {
      const { detail, text } = error instanceof Problem ? error : new Problem("background", String(error));
      this.fail(new Problem("background", detail, text));
    }
  }

  /** @param {Name} name */
  #changed(name) {
    const { settings } = this;
    if (name === "source") return;
    if (name === "device" || name === "facing") this.#askCamera();
    else if (name === "backend") {
      this.#changeBackend(this.#provider());
    } else if (name === "model" || name === "smoothing") {
      this.problem = this.lost;
      this.engine.changeModel(settings.get("model"), this.#options);
      if (this.#changing) {
        this.people = null;
        this.stage.notice(`Loading ${this.panel.labelOf(settings.get("model"))}…`, 0);
        this.#noticed = true;
      }
      this.show();
    } else {
      // What an effect does not draw need not be found.
      if (name === "effect" && this.topology.names.length)
        this.engine.changeModel(settings.get("model"), this.#options);
      if (name === "mirror" && this.world) this.world.mirrored = settings.get("mirror");
      this.look.ask();
    }
  }

  /** The options of the model. One that finds poses alone gets a mask beside them where an effect was asked for. */
  get #options() {
    const { settings, site } = this;
    const wanted = settings.given("effect") && settings.get("effect") !== "none" && site.masks;
    return { ...settings.options, ...(wanted && { mask_model: site.masks }) };
  }

  /** Which camera is two settings, which may change together. */
  #askCamera() {
    if (this.#cameraAsked) return;
    this.#cameraAsked = true;
    queueMicrotask(() => {
      this.#cameraAsked = false;
      void this.choose("camera");
    });
  }

  get #stopped() {
    return this.paused || document.hidden || this.interrupted;
  }

  /** @param {boolean} paused by the person */
  setPaused(paused) {
    this.paused = paused;
    this.#applyPause();
  }

  #applyPause() {
    this.#alive = performance.now();
    this.engine.send({ type: this.#stopped ? "pause" : "resume" });
    this.source?.pause(this.paused || document.hidden); // one that is interrupted comes back by itself
    if (this.source) this.#showCamera();
    if (!this.#stopped) this.source?.wanted(); // one that came during the pause was thrown away
    const button = element("pause");
    button.setAttribute("aria-pressed", String(this.paused));
    button.querySelector("use")?.setAttribute("href", this.paused ? "#icon-play" : "#icon-pause");
    /** @type {HTMLElement} */ (button.querySelector(".sr")).textContent = this.paused ? "Go on" : "Pause";
    this.show();
  }

  /** @param {unknown} error */
  fail(error) {
    const problem = error instanceof Problem ? error : new Problem("unknown", String(error));
    if (!(error instanceof Problem)) console.error(error);
    this.opening = false;
    this.problem = problem;
    this.stage.tell(problem);
    this.show();
  }

  /** Whether another model was chosen than the one that runs. */
  get #changing() {
    return this.running && this.model !== this.settings.get("model");
  }

  /** A model that cannot be had costs nothing: the one before goes on. @param {string} code @param {string} message */
  #refuse(code, message) {
    const { model, settings } = this;
    const wanted = settings.get("model");
    if (!REFUSED.includes(code) || !this.#changing) return false;
    settings.set("model", model);
    const why = /[.?!]$/.test(message) ? message : `${message}.`;
    this.stage.notice(`${why} ${this.panel.labelOf(model)} goes on.`, 0, () => void this.#chooseAgain(wanted));
    this.#noticed = false;
    return true;
  }

  /** @param {string} model that could not be had */
  async #chooseAgain(model) {
    const { catalogue } = this.site;
    await this.#readCatalogue();
    this.settings.set("model", model);
    if (this.site.catalogue !== catalogue) this.restart();
  }

  /** A worker is gone: it is started again by itself, but not time and again. @param {string} part @param {string} message */
  #revive(part, message) {
    const now = performance.now();
    if (now - this.#revived < REVIVAL) {
      this.fail(new Problem("crash", message));
      return;
    }
    this.#revived = now;
    if (part === "python") {
      this.booted = this.running = false;
      this.people = null;
      this.problem = this.lost;
      this.engine.restartPython();
      this.show();
    } else this.#changeBackend(this.#provider());
    this.stage.notice(`${part === "python" ? "Python" : "The engine"} stopped and was started again.`);
  }

  get state() {
    if (this.problem) return "error";
    if (this.running) return this.#stopped ? "paused" : this.#changing ? "loading" : "running";
    if (this.source || this.opening) return "loading";
    return this.ready && this.booted ? "ready" : "loading";
  }

  show() {
    const { state, problem } = this;
    const started = Boolean(this.source || this.opening);
    const asking = this.opening && this.settings.get("source") === "camera" && !this.cameras;
    const seen = this.running && !problem;
    this.stage.show({ state, problem, started, asking, booted: this.ready && this.booted, seen });
    this.wakelock.keep(seen && state !== "paused" && Boolean(this.source?.moving));
  }

  /** @param {import("./engine.js").Message} message */
  hear(message) {
    this.#alive = performance.now();
    this.#hear[message.type]?.(message);
  }

  /** @type {Record<string, (message: any) => void>} */
  #hear = {
    features: (features) => this.#features.resolve(features),
    progress: ({ part, loaded, total }) => this.stage.progress(part, loaded, total),
    used: ({ used }) => {
      this.#used = used;
    },
    ready: ({ backend, threads }) => {
      this.ready = true;
      this.startup.ready ||= performance.now();
      this.stats = { ...this.stats, backend, threads };
      this.backend.using(backend);
      this.show();
    },
    booted: ({ times, heap }) => {
      this.booted = true;
      this.startup.python ||= performance.now();
      this.python = { times, heap };
      this.show();
    },
    opened: ({ topology, masks }) => {
      this.topology = topology;
      // Where there are poses alone, a mask effect that nobody asked for is not drawn, and should not look chosen.
      this.settings.assume("effect", masks ? "mask" : "none");
      if (this.world) this.world.topology = topology;
      element("skeleton-row").hidden = !topology.names.length;
      element("no-parts").hidden = topology.names.length > 0;
    },
    people: ({ people, model }) => {
      if (!this.source || model !== this.settings.get("model")) return; // what an earlier one has found
      this.people = people;
      element("world-button").hidden = !people[7];
      if (!people[7] && !element("world").hidden) void this.showWorld(); // closes it: nothing has depth any more
      if (!element("world").hidden) this.world?.show(people);
      this.startup.firstResult ||= performance.now();
      const passed = this.problem && PASSING.includes(this.problem.code);
      if (passed) this.problem = this.lost;
      if (!this.running || passed || this.#changing) {
        if (this.#noticed) this.stage.notice("");
        this.#noticed = false;
        this.running = true;
        this.model = model;
        this.show();
        void this.offline.show(); // what this picture needed is kept now
        if (this.source instanceof Camera) void this.#meet(this.source);
      }
    },
    stats: ({ stats, python }) => {
      if (python) this.python.heap = python;
      this.stats = { ...this.stats, ...stats };
      this.stage.speed(stats);
      void this.#cool(stats.pace ?? null);
      if (this.running && stats.frames.out > SMOOTH) void this.#keep();
      if (this.running && stats.frames.out > SETTLED) void this.#improve();
    },
    wanted: () => this.source?.wanted(),
    ended: () => {
      // The stream of a source that the page itself has closed ends as well.
      if (this.source?.gone) this.fail(new Problem("camera-unplugged"));
    },
    restored: () => {
      if (this.problem === this.lost) this.problem = null;
      this.lost = null;
      this.show();
    },
    error: ({ code, message }) => {
      if (this.#refuse(code, message)) return;
      const problem = new Problem(code, message);
      if (code === "graphics-lost") this.lost = problem;
      this.fail(problem);
    },
    died: ({ part, message }) => this.#revive(part, message),
  };

  /** What a message's button does. @param {import("./problems.js").Action} action */
  act(action) {
    const { problem, settings } = this;
    const source = settings.get("source");
    if (action === "sample") void this.choose("sample");
    else if (action === "resume") {
      this.problem = null;
      this.show();
    } else if (action === "model") settings.set("model", this.panel.instead);
    else if (action === "wasm") {
      if (settings.get("backend") === "wasm") this.restart();
      else settings.set("backend", "wasm");
    } else if (action === "reload") location.reload();
    else if (problem?.code === "options") location.assign("./");
    else if (action === "start") {
      this.#close();
      this.problem = this.lost;
      settings.set("source", "");
      this.panel.name("");
      this.show();
    } else if (action === "retry" && source && /^(camera|source)-/.test(problem?.code ?? "")) void this.choose(source);
    else if (problem?.code === "model-missing") void this.#readCatalogue().then(() => this.restart());
    else this.restart();
  }

  /** Reads which models the site has by now: they may have been made ready since the page was opened. */
  async #readCatalogue() {
    try {
      const response = await fetch("./", { cache: "no-cache" });
      const front = new DOMParser().parseFromString(await response.text(), "text/html");
      if (response.ok) this.site.catalogue = readSite(front).catalogue;
    } catch {
      // What is loaded next says what is the matter.
    }
    void this.panel.listModels(this.site.catalogue);
  }

  #listen() {
    for (const button of /** @type {Iterable<HTMLElement>} */ (document.querySelectorAll("button[data-source]"))) {
      button.addEventListener("click", () => void this.choose(button.dataset.source ?? ""));
    }
    element("pause").addEventListener("click", () => this.setPaused(!this.paused));
    element("switch").addEventListener("click", () => void this.switchCamera());
    element("torch").addEventListener("click", () => void this.switchTorch());
    element("save").addEventListener("click", () => void this.save());
    element("world-button").addEventListener("click", () => void this.showWorld());
    const full = /** @type {HTMLButtonElement} */ (element("full"));
    full.hidden = !document.fullscreenEnabled;
    full.addEventListener("click", () => {
      void (document.fullscreenElement ? document.exitFullscreen() : element("stage").requestFullscreen());
    });
    document.addEventListener("visibilitychange", () => {
      // Phones end hidden tabs without a word: that is no crash.
      this.backend.using(document.hidden ? null : (this.stats.backend ?? null));
      this.#applyPause();
    });
    this.#listenForLeaving();
    this.#listenForPressure();
    document.addEventListener("keydown", (event) => {
      if (event.target !== document.body || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === " " && this.source) {
        event.preventDefault();
        this.setPaused(!this.paused);
      } else if (event.key === "m") this.settings.set("mirror", !this.settings.get("mirror"));
    });
    listenForDrops(element("stage"), (file) => void this.openFile(file));
    setInterval(() => {
      const silent = performance.now() - this.#alive;
      if (this.state === "running" && silent > STALLED) this.fail(new Problem("stalled"));
    }, 1000);
    if (PerformanceObserver.supportedEntryTypes.includes("longtask")) {
      new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) {
          this.longTasks.count++;
          this.longTasks.longest = Math.max(this.longTasks.longest, duration);
        }
      }).observe({ type: "longtask" });
    }
  }

  /** A page that is left may be kept as it is, and come back: without its workers, which hold some 300 MB. */
  #listenForLeaving() {
    addEventListener("pagehide", () => {
      this.backend.using(null);
      if (this.source instanceof Camera) this.#close(); // nobody looks any more
      this.engine.stop();
    });
    addEventListener("pageshow", ({ persisted }) => {
      if (!persisted) return;
      this.restart();
      if (this.settings.get("source") === "camera") void this.choose("camera");
    });
  }

  #listenForPressure() {
    if (!("PressureObserver" in globalThis)) return;
    new PressureObserver((records) => {
      this.pressure = records.at(-1)?.state ?? "nominal";
    })
      .observe("cpu", { sampleInterval: 2000 })
      .catch(() => undefined); // how long frames take says enough
  }

  /** Opens the view in three dimensions, or closes it. */
  async showWorld() {
    const holder = element("world");
    holder.hidden = !holder.hidden;
    element("world-button").setAttribute("aria-pressed", String(!holder.hidden));
    if (holder.hidden) return;
    try {
      this.world ??= await World.open(this.site.three, /** @type {HTMLCanvasElement} */ (element("world-canvas")));
      this.world.mirrored = this.settings.get("mirror");
      this.world.topology = this.topology;
      if (this.people) this.world.show(this.people);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Keeps the drawn picture as a file. */
  async save() {
    try {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await this.engine.snapshot());
      link.download = "bodylens.png";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    } catch (error) {
      this.fail(error);
    }
  }

  /** What is told of speed and size. */
  report() {
    const { state, stats, startup, python, longTasks } = this;
    const screen = { awake: this.wakelock.held };
    const parts = Object.fromEntries(this.stage.parts);
    // @ts-expect-error only Chromium tells
    const pageHeap = performance.memory?.usedJSHeapSize ?? null;
    return structuredClone({
      state,
      ...stats,
      step: this.heat.step,
      screen,
      startup,
      python,
      pageHeap,
      longTasks,
      downloads: parts,
    });
  }
}

/** A promise and what resolves it. @returns {{promise: Promise<any>, resolve: (value: any) => void}} */
function promise() {
  /** @type {(value: any) => void} */
  let resolve = () => undefined;
  const promise = new Promise((given) => (resolve = given));
  return { promise, resolve };
}

// Before this is settled nothing can be switched on, least of all the camera.
const unprotected = await protect(readSite());
const app = new App();
app.start(unprotected);

// What a script or a test may ask of the page.
Object.assign(globalThis, {
  bodylens: {
    stats: () => app.report(),
    latest: () => app.people && toRecord(app.people, app.topology.names),
    snapshot: () => app.engine.snapshot(),
    python: (/** @type {string} */ code) => app.engine.run(code),
    stop: () => app.engine.stopRun(),
    settings: app.settings,
  },
});

/** @typedef {import("./settings.js").Name} Name */
