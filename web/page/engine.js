// The workers behind the page: the engine, the live Python, and one for a person's own code. The page talks to this alone.

/** @typedef {{ort: string, pyodide: string, models: string, catalogue: string, samples: string, three: string,
 *   version: string, masks: string, later: string[], worker?: string, keeper?: string, gzipped?: string[]}} Site `masks` is
 *   the model whose masks stand beside the poses of systems that have none, if there is one; `later` is what of Python only
 *   a person's own code needs; a static site has a service `worker`, and of what lies `gzipped` the plain addresses */
/** @typedef {{type: string, [key: string]: any}} Message */
/** @typedef {{resolve: (value: any) => void, reject: (error: Error) => void}} Waiting */

/** `asked`: since when it owes an answer, or 0; `slowest`: the longest that it took of late, milliseconds; `busy`: how
 * many long things it is known to do.
 * @typedef {{name: string, lock: string, watch: AbortController, asked: number, slowest: number, busy: number}} Life */

/** Milliseconds between questions to the workers whether they still answer. */
const BEAT = 500;
/** Milliseconds without an answer after which one counts as dead, at least and at most; and what its slowest answer adds. */
const [SILENT, SILENT_MOST, SLOWER] = [15000, 30000, 8];

export class Engine {
  /** @type {Worker | null} */
  #engine = null;
  /** @type {Worker | null} */
  #python = null;
  /** @type {Worker | null} */
  #script = null;
  /** @type {Map<number, Waiting>} */
  #waiting = new Map();
  #asked = 0;
  #beaten = 0;
  /** By worker: the lock that it holds while it lives, and when it was last heard of. @type {Map<Worker, Life>} */
  #lives = new Map();
  /** Changes of the source that the engine has not heard of yet: what it tells of people is about an earlier one. */
  #changing = 0;
  /** @type {{backend: string, model: string, options: object}} */
  #chosen = { backend: "auto", model: "", options: {} };

  /**
   * @param {Site} site absolute addresses
   * @param {Element} holder of the canvas
   * @param {(message: Message) => void} hear what the workers say
   */
  constructor(site, holder, hear) {
    this.site = site;
    /** Whether this version of the site is new to this device, so that there will be something to wait for. */
    this.first = isFirst(site);
    this.holder = holder;
    this.hear = hear;
    setInterval(() => this.#beat(), BEAT);
  }

  /**
   * Starts both workers, or starts them anew, so that they boot side by side.
   * @param {{backend: string, model: string, options: object}} chosen
   */
  start(chosen) {
    this.#chosen = { ...chosen };
    const { port1, port2 } = new MessageChannel();
    this.#startPython(port2);
    this.#startEngine(port1, navigator.hardwareConcurrency <= 2);
  }

  /** Ends all workers, until the next start. */
  stop() {
    this.#stopScript("The page was left.");
    this.#end(this.#engine);
    this.#end(this.#python);
    this.#engine = this.#python = null;
  }

  /** Another provider: the engine alone starts anew, for each has its own bundle. @param {string} backend */
  changeBackend(backend) {
    this.#chosen.backend = backend;
    const { port1, port2 } = new MessageChannel();
    this.#startEngine(port1);
    this.#python?.postMessage({ type: "engine", port: port2 }, [port2]);
  }

  /** Another Python for the same engine. */
  restartPython() {
    const { port1, port2 } = new MessageChannel();
    this.#startPython(port2);
    this.send({ type: "python", port: port1 }, [port1]);
  }

  /** @param {string} model @param {object} options */
  changeModel(model, options) {
    Object.assign(this.#chosen, { model, options });
    this.send({ type: "model", model, options });
    this.#python?.postMessage({ type: "model", model, options });
  }

  /** @param {Message} message to the engine @param {Transferable[]} [transfer] */
  send(message, transfer = []) {
    if (!this.#engine) {
      message.frame?.close();
      return;
    }
    this.#engine.postMessage(message, transfer); // throws where something cannot be handed over
    if (message.type === "source") this.#changing++;
  }

  /** The drawn canvas as a file. @returns {Promise<Blob>} */
  snapshot() {
    return this.#ask((id) => this.send({ type: "snapshot", id }));
  }

  /**
   * Runs Python in a worker of its own, so that an endless loop costs only itself.
   * @param {string} code
   * @returns {Promise<any>} what its last expression is worth
   */
  run(code) {
    const script = (this.#script ??= this.#startScript());
    return this.#ask((id) => script.postMessage({ type: "run", id, code }));
  }

  /** Ends what a person's own code is at; the next call starts a fresh Python. */
  stopRun() {
    this.#stopScript("Python was stopped.");
  }

  /** @param {MessagePort} python @param {boolean} [patient] whether it waits until Python's runtime has started */
  #startEngine(python, patient = false) {
    this.#end(this.#engine);
    this.#changing = 0;
    this.#stopScript("The engine was restarted.");
    // A canvas can be handed over only once.
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", "The picture with its effect");
    this.holder.replaceChildren(canvas);
    const surface = canvas.transferControlToOffscreen();
    this.#engine = this.#worker("../engine/worker.js", "engine");
    const { site } = this;
    const { first } = this;
    const lock = this.#lock(this.#engine);
    this.send({ type: "start", lock, site, first, patient, ...this.#chosen, canvas: surface, python }, [
      surface,
      python,
    ]);
  }

  /** @param {MessagePort} engine */
  #startPython(engine) {
    this.#end(this.#python);
    const { site } = this;
    const { model, options } = this.#chosen;
    this.#python = this.#worker("../python/worker.js", "python");
    const { first } = this;
    const lock = this.#lock(this.#python);
    this.#python.postMessage({ type: "start", lock, site, first, engine, model, options, role: "live" }, [engine]);
  }

  /** @param {Worker} worker */
  #lock(worker) {
    return this.#lives.get(worker)?.lock;
  }

  #startScript() {
    const { port1, port2 } = new MessageChannel();
    this.send({ type: "client", port: port1 }, [port1]);
    const script = this.#worker("../python/worker.js", "script");
    script.postMessage({ type: "start", lock: this.#lock(script), site: this.site, engine: port2, role: "script" }, [
      port2,
    ]);
    return script;
  }

  /** @param {string} why */
  #stopScript(why) {
    if (this.#script) this.send({ type: "client", port: null }); // its networks are released
    this.#end(this.#script);
    this.#script = null;
    for (const { reject } of this.#waiting.values()) reject(new Error(why));
    this.#waiting.clear();
  }

  /** @param {string} address @param {string} name */
  #worker(address, name) {
    const worker = new Worker(new URL(address, import.meta.url), { type: "module", name });
    const lock = `bodylens-${name}-${performance.now()}-${Math.random()}`;
    const life = { name, lock, watch: new AbortController(), asked: 0, slowest: 0, busy: 1 };
    this.#lives.set(worker, life);
    worker.onmessage = ({ data }) => {
      if (data.type === "alive") this.#watch(worker, life);
      else if (data.type === "pong") {
        if (life.asked) life.slowest = Math.max(0.95 * life.slowest, performance.now() - life.asked);
        life.asked = 0;
      } else if (data.type === "busy") {
        life.busy += data.more;
        life.slowest = Math.max(life.slowest, data.took ?? 0);
        life.asked = 0;
      } else this.#listen(data, name);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#died(worker, event.message ?? "It could not be loaded.");
    };
    return worker;
  }

  /**
   * A worker holds its lock as long as it lives, however busy it is: who gets it next knows that the worker is gone.
   * @param {Worker} worker @param {Life} life
   */
  #watch(worker, { lock, watch: { signal } }) {
    navigator.locks.request(lock, { signal }, () => this.#died(worker, "It is gone.")).catch(() => undefined); // it was ended on purpose
  }

  /** Asks the workers for an answer. Who is known to be busy, or is no slower than it was before, is not taken for dead. */
  #beat() {
    const now = performance.now();
    const slept = document.hidden || now - this.#beaten > 4 * BEAT; // the page itself was not awake all the while
    this.#beaten = now;
    for (const [worker, life] of this.#lives) {
      if (slept || life.busy || life.name === "script") life.asked = 0;
      else if (!life.asked) {
        life.asked = now;
        worker.postMessage({ type: "ping" });
      } else if (now - life.asked > Math.min(SILENT + SLOWER * life.slowest, SILENT_MOST)) {
        this.#died(worker, "It does not answer.");
      }
    }
  }

  /** @param {Worker} worker @param {string} why */
  #died(worker, why) {
    const life = this.#lives.get(worker);
    if (!life) return;
    this.#end(worker);
    if (life.name === "script")
      this.#stopScript(`Python has ended: ${why.replace(/\.$/, "")}. The next call starts it again.`);
    else this.hear({ type: "died", part: life.name, message: `${life.name}: ${why}` });
  }

  /** @param {Worker | null} worker */
  #end(worker) {
    if (!worker) return;
    this.#lives.get(worker)?.watch.abort();
    this.#lives.delete(worker); // what it has said already counts no more
    worker.onmessage = null;
    worker.terminate();
  }

  /** @param {Message} message @param {string} from */
  #listen(message, from) {
    const { type, id } = message;
    if (from === "python" && (type === "runtime" || type === "error")) this.send({ type: "release" });
    if (type === "sourced") this.#changing--;
    else if (type === "people" && this.#changing) return;
    else if (type === "snapshot") this.#answer(id, message.blob, message.message);
    else if (type === "result") this.#answer(id, message.value);
    else if (type === "failed") this.#answer(id, undefined, message.message);
    else if (from !== "script") this.hear(message);
    else if (type === "error") this.#stopScript(message.message);
  }

  /** @param {(id: number) => void} send @returns {Promise<any>} */
  #ask(send) {
    return new Promise((resolve, reject) => {
      this.#waiting.set(++this.#asked, { resolve, reject });
      send(this.#asked);
    });
  }

  /** @param {number} id @param {unknown} value @param {string} [error] */
  #answer(id, value, error) {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(error));
  }
}

/** @param {Site} site */
function isFirst({ ort, pyodide }) {
  const parts = `${ort} ${pyodide}`;
  try {
    if (localStorage.getItem("bodylens-visited") === parts) return false;
    localStorage.setItem("bodylens-visited", parts);
  } catch {
    // A browser that keeps nothing: every visit is the first.
  }
  return true;
}
