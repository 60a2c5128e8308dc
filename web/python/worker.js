// The Python worker: Pyodide and our decoders. It owns every decision and sees no camera pixel unless a script asks.
import { countDownloads } from "../downloads.js";
import { holdForLife } from "../life.js";
import { unreachable } from "../unreachable.js";
import { Snapshot } from "./snapshot.js";
import { completeLater, completeNumpy, NUMPY_LATER, readNow, STANDARD } from "./standard.js";

const scope = /** @type {DedicatedWorkerGlobalScope} */ (/** @type {unknown} */ (globalThis));

/** @typedef {{pyodide: string, version: string}} Site */

/**
 * Starts Python: from the snapshot that an earlier visit left on this device, or afresh.
 * @param {Site} site @param {"live" | "script"} role
 */
async function boot(site, role) {
  const started = performance.now();
  const snapshot = new Snapshot(site.pyodide);
  const [{ loadPyodide }, saved] = await Promise.all([import(site.pyodide + "pyodide.mjs"), snapshot.read()]);
  const config = { indexURL: site.pyodide, lockFileURL: site.pyodide + "pyodide-lock.json" };
  let python;
  if (saved) {
    python = await loadPyodide({ ...config, _loadSnapshot: saved });
  } else {
    python = await loadPyodide({ ...config, _makeSnapshot: true });
    python.runPython(STANDARD);
    // Dynamic libraries cannot be in a snapshot, so it is taken before numpy.
    snapshot.write(python.makeMemorySnapshot());
  }
  const loaded = performance.now();
  scope.postMessage({ type: "runtime" });
  completeLater(python, (name) => readNow(site.pyodide + name));
  // A person's code may use all of numpy; what tracks people does without the parts that come later.
  const later = role === "script" ? fetch(site.pyodide + NUMPY_LATER) : null;
  later?.catch(() => undefined); // heard below
  await python.loadPackage(["numpy", "bodylens"], { messageCallback: () => undefined });
  const response = await later;
  if (response?.ok === false) throw new Error(`numpy could not be loaded whole: the site said ${response.status}.`);
  if (response) completeNumpy(python, await response.arrayBuffer());
  const packages = performance.now();
  const times = { runtime: loaded - started, packages: packages - loaded, snapshot: Boolean(saved) };
  return { python, times };
}

/**
 * The live pipeline: one Python call a stage and frame.
 * @param {any} python
 */
function startLive(python) {
  /** @type {MessagePort | null} */
  let port = null;
  let start = 0;
  /** Counts the pipelines that were prepared, and the one that runs; and which one the frame has that has begun. */
  let [prepared, adopted, begun] = [0, 0, 0];
  const Live = python.pyimport("bodylens.browser").Live;
  const live = Live((/** @type {string} */ text, /** @type {Float64Array | undefined} */ array) => {
    const heap = python._module.HEAP8.length;
    const answer = { type: "answer", text, array: array ?? null, ms: performance.now() - start, heap };
    port?.postMessage(answer, array ? [array.buffer] : []);
  });
  const { begin, resume } = live;

  const adopt = () => {
    const { masks, ...topology } = JSON.parse(live.adopt());
    adopted = prepared;
    port?.postMessage({ type: "opened", topology });
    scope.postMessage({ type: "opened", topology, masks });
  };
  /** Another pipeline is made ready at once; it runs when the engine has its networks, or now if none runs. */
  const open = () => {
    try {
      const models = JSON.parse(live.prepare(chosen.model, JSON.stringify(chosen.options)));
      prepared++;
      if (adopted) port?.postMessage({ type: "prepared", id: prepared, models });
      else adopt();
    } catch (error) {
      scope.postMessage({ type: "error", code: "options", message: sentence(error), action: "" });
    }
  };
  return {
    open,
    /** @param {MessagePort} engine */
    connect(engine) {
      port = engine;
      port.onmessage = ({ data }) => {
        start = performance.now();
        try {
          const { frame, results } = data;
          if (data.type === "adopt") {
            if (data.id === prepared) adopt();
          } else if (data.type === "begin") {
            begun = adopted;
            begin(frame.index, frame.time, frame.width, frame.height, frame.still, data.text, results);
          } else if (begun === adopted) resume(results);
          else port?.postMessage({ type: "superseded" });
        } catch (error) {
          port?.postMessage({ type: "failed", message: sentence(error) });
        }
      };
      adopted = 0; // a new engine knows of none
      open();
    },
  };
}

/** The last line of a Python error, which says what happened. @param {unknown} error */
function sentence(error) {
  const text = error instanceof Error ? error.message : String(error);
  const last = text.trimEnd().split("\n").at(-1) ?? text;
  return last.replace(/^[\w.]*(Error|Exception|StaleMask): /, "");
}

/** Calls into the engine, for `bodylens.browser`. @param {MessagePort} port */
function engineModule(port) {
  /** @type {Map<number, {resolve: (value: any) => void, reject: (error: Error) => void}>} */
  const waiting = new Map();
  let made = 0;
  port.onmessage = ({ data: { id, value, error } }) => {
    const call = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) call?.resolve(value);
    else call?.reject(new Error(error));
  };
  /** @param {string} type */
  const call =
    (type) =>
    (/** @type {unknown[]} */ ...args) =>
      new Promise((resolve, reject) => {
        waiting.set(++made, { resolve, reject });
        port.postMessage({ id: made, type, args });
      });
  return Object.fromEntries(
    ["open", "close", "reset", "current", "picture", "infer", "read", "release"].map((type) => [type, call(type)]),
  );
}

/** @type {Promise<any> | null} */
let booted = null;
/** @type {ReturnType<typeof startLive> | null} */
let live = null;
/** @type {MessagePort | null} */
let early = null;
/** The model that the page wants. */
let chosen = { model: "", options: {} };

/**
 * Runs a person's code and gives what its last expression is worth, as plain data.
 * @param {any} python
 * @param {string} code
 */
async function run(python, code) {
  const value = await python.runPythonAsync(code);
  if (!python.isPyProxy?.(value) && typeof value?.toJs !== "function") return value;
  try {
    return value.toJs({ dict_converter: Object.fromEntries, create_pyproxies: false });
  } catch {
    return python.globals.get("repr")(value); // no plain data: what Python itself would show
  } finally {
    value.destroy();
  }
}

/** @type {Record<string, (data: any) => unknown>} */
const messages = {
  start: async ({ lock, site, role, engine, model, options, first }) => {
    holdForLife(lock, () => scope.postMessage({ type: "alive" }));
    if (first) {
      countDownloads((loaded, total) => scope.postMessage({ type: "progress", part: "python", loaded, total }));
    }
    chosen = { model, options };
    booted = boot(site, role);
    const { python, times } = await booted;
    const before = performance.now();
    python.registerJsModule("bodylens_engine", role === "script" ? engineModule(engine) : {});
    if (role === "live") {
      live = startLive(python);
      live.connect(early ?? engine);
    }
    const heap = () => python._module.HEAP8.length;
    scope.postMessage({ type: "busy", more: -1 });
    scope.postMessage({ type: "booted", times: { ...times, imports: performance.now() - before }, heap: heap() });
  },
  engine: ({ port }) => {
    if (live) live.connect(port);
    else early = port;
  },
  ping: () => scope.postMessage({ type: "pong" }),
  model: ({ model, options }) => {
    chosen = { model, options };
    scope.postMessage({ type: "busy", more: 1 }); // its system may have to be imported
    live?.open();
    scope.postMessage({ type: "busy", more: -1 });
  },
  run: async ({ id, code }) => {
    const { python } = await booted;
    try {
      scope.postMessage({ type: "result", id, value: await run(python, code) });
    } catch (error) {
      scope.postMessage({ type: "failed", id, message: error instanceof Error ? error.message : String(error) });
    }
  },
};

scope.onmessage = async ({ data }) => {
  try {
    await messages[data.type](data);
  } catch (error) {
    const gone = unreachable(error, "Python");
    if (gone) scope.postMessage({ type: "error", code: "unreachable", message: gone.message, action: "retry" });
    else scope.postMessage({ type: "error", code: "python", message: sentence(error), action: "restart" });
  }
};
