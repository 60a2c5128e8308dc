// The workers behind the page: the engine, the live Python, and one for a person's own code. The page talks to this alone.

/** @typedef {{ort: string, pyodide: string, models: string, catalogue: string, samples: string, three: string,
 *   version: string, masks: string, later: string[], worker?: string, keeper?: string, gzipped?: string[]}} Site `masks` is
 *   the model whose masks stand beside the poses of systems that have none, if there is one; `later` is what of Python only
 *   a person's own code needs; a static site has a service `worker`, and of what lies `gzipped` the plain addresses */
/** @typedef {{type: string, [key: string]: any}} Message */
/** @typedef {{resolve: (value: any) => void, reject: (error: Error) => void}} Waiting */

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
    this.#engine?.terminate();
    this.#python?.terminate();
    this.#engine = this.#python = null;
    this.#stopScript("The page was left.");
  }

  /** Another provider: the engine alone starts anew, for each has its own bundle. @param {string} backend */
  changeBackend(backend) {
    this.#chosen.backend = backend;
    const { port1, port2 } = new MessageChannel();
    this.#startEngine(port1);
    this.#python?.postMessage({ type: "engine", port: port2 }, [port2]);
  }

  /** @param {string} model @param {object} options */
  changeModel(model, options) {
    Object.assign(this.#chosen, { model, options });
    this.send({ type: "model", model, options });
    this.#python?.postMessage({ type: "model", model, options });
  }

  /** @param {Message} message to the engine @param {Transferable[]} [transfer] */
  send(message, transfer = []) {
    if (!this.#engine) return;
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
    if (this.#engine) this.#engine.onmessage = null; // what it has said already counts no more
    this.#engine?.terminate();
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
    this.send({ type: "start", site, first, patient, ...this.#chosen, canvas: surface, python }, [surface, python]);
  }

  /** @param {MessagePort} engine */
  #startPython(engine) {
    this.#python?.terminate();
    const { site } = this;
    const { model, options } = this.#chosen;
    this.#python = this.#worker("../python/worker.js", "python");
    const { first } = this;
    this.#python.postMessage({ type: "start", site, first, engine, model, options, role: "live" }, [engine]);
  }

  #startScript() {
    const { port1, port2 } = new MessageChannel();
    this.send({ type: "client", port: port1 }, [port1]);
    const script = this.#worker("../python/worker.js", "script");
    script.postMessage({ type: "start", site: this.site, engine: port2, role: "script" }, [port2]);
    return script;
  }

  /** @param {string} why */
  #stopScript(why) {
    this.#script?.terminate();
    this.#script = null;
    for (const { reject } of this.#waiting.values()) reject(new Error(why));
    this.#waiting.clear();
  }

  /** @param {string} address @param {string} name */
  #worker(address, name) {
    const worker = new Worker(new URL(address, import.meta.url), { type: "module", name });
    worker.onmessage = ({ data }) => this.#listen(data, name);
    worker.onerror = (event) => {
      event.preventDefault();
      const message = event.message ?? "It could not be loaded.";
      if (name === "script") this.#stopScript(message);
      else this.hear({ type: "error", code: "crash", message: `${name}: ${message}`, action: "restart" });
    };
    return worker;
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
