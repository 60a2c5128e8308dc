// What lies over the picture: the start card, progress, messages, and how fast it goes.
import { LABELS, sentence } from "./problems.js";

/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @type {Record<string, string>} */
const PARTS = { python: "Python", engine: "Neural network", runtime: "Network runtime", model: "Model" };

/** @type {Record<string, string>} */
const STAGES = {
  crop: "Cropping",
  network: "Neural network",
  mask: "Mask",
  python: "Python",
  journey: "Between workers",
  draw: "Drawing",
  total: "Whole picture",
  wait: "Waiting for the camera",
};

/** @type {Record<string, string>} */
const BACKENDS = { wasm: "WebAssembly", webgpu: "WebGPU", webgl: "WebGL" };

/** @param {number} bytes */
const megabytes = (bytes) => (bytes / 1e6).toFixed(1);

/** @typedef {{fps: number, latency: Record<string, number>, backend: string}} Speed */

export class Stage {
  /** @type {Map<string, {loaded: number, total: number}>} */
  parts = new Map();
  #said = "";
  #fading = 0;
  /** @type {Map<string, {bar: HTMLProgressElement, bytes: HTMLElement}>} */
  #rows = new Map();

  /** @param {(action: import("./problems.js").Action) => void} act */
  constructor(act) {
    this.act = act;
    for (const part of ["engine", "python"]) this.#row(part);
  }

  /**
   * Shows what fits the state.
   * @param {{state: string, problem: import("./problems.js").Problem | null, started: boolean, asking: boolean,
   *   booted: boolean, seen: boolean}} now `seen`: whether there is something to see, even while another model is loaded
   */
  show({ state, problem, started, asking, booted, seen }) {
    document.documentElement.dataset.state = state;
    element("message-card").hidden = !problem;
    element("start-card").hidden = Boolean(problem) || started;
    element("progress").hidden = Boolean(problem) || seen || (booted && !started);
    element("cover").hidden = seen;
    element("toolbar").hidden = element("meter").hidden = !seen;
    const waiting = booted ? "Looking at the first picture…" : "Getting ready…";
    element("progress-title").textContent = asking ? "Please allow the camera when the browser asks." : waiting;
    if (!problem) this.#say({ loading: "Getting ready", ready: "Ready", running: "Running", paused: "Paused" }[state]);
  }

  /** @param {import("./problems.js").Problem} problem */
  tell(problem) {
    const { title, text: usual, actions } = sentence(problem.code);
    const text = problem.text || usual;
    element("message-title").textContent = title;
    element("message-text").textContent = text || problem.detail;
    const detail = element("message-detail");
    detail.textContent = problem.detail;
    detail.hidden = !text || !problem.detail;
    element("message-actions").replaceChildren(
      ...actions.map((action, i) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = LABELS[action];
        button.dataset.action = action;
        if (i === 0) button.className = "primary";
        button.addEventListener("click", () => this.act(action));
        return button;
      }),
    );
    this.#said = title;
  }

  /** Bytes of one part. @param {string} part @param {number} loaded @param {number} total */
  progress(part, loaded, total) {
    this.parts.set(part, { loaded, total });
    const { bar, bytes } = this.#row(part);
    bar.max = Math.max(total, 1);
    bar.value = loaded;
    bytes.textContent = `${megabytes(loaded)} of ${megabytes(total)} MB`;
  }

  /** @param {string} part */
  #row(part) {
    let row = this.#rows.get(part);
    if (!row) {
      const label = document.createElement("label");
      const bar = document.createElement("progress");
      const bytes = document.createElement("output");
      label.append(PARTS[part] ?? part, bar, bytes);
      element("progress-parts").append(label);
      this.#rows.set(part, (row = { bar, bytes }));
    }
    return row;
  }

  /**
   * Says something beside the picture, which goes on.
   * @param {string} text @param {number} [lasting] milliseconds; 0 stays until something else is said
   * @param {() => void} [retry] what a button does that tries once more
   */
  notice(text, lasting = 8000, retry) {
    const shown = element("notice");
    clearTimeout(this.#fading);
    shown.textContent = text;
    shown.hidden = !text;
    if (retry) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = LABELS.retry;
      button.addEventListener("click", retry);
      shown.append(" ", button);
    }
    if (text && lasting) this.#fading = setTimeout(() => (shown.hidden = true), lasting);
  }

  /** What the camera can do beside giving pictures. @param {{switch: boolean, torch: boolean, lit: boolean}} can */
  camera({ switch: others, torch, lit }) {
    element("switch").hidden = !others;
    element("torch").hidden = !torch;
    element("torch").setAttribute("aria-pressed", String(lit));
  }

  /** @param {Speed} speed */
  speed({ fps, latency, backend }) {
    const total = latency.total ?? 0;
    element("meter").textContent =
      `${fps.toFixed(fps < 10 ? 1 : 0)} fps · ${total.toFixed(0)} ms · ${BACKENDS[backend] ?? backend}`;
    const rows = Object.keys(STAGES).filter((stage) => stage in latency);
    element("details").replaceChildren(
      ...rows.flatMap((stage) => {
        const name = document.createElement("dt");
        const value = document.createElement("dd");
        name.textContent = STAGES[stage];
        value.textContent = `${latency[stage].toFixed(1)} ms`;
        return [name, value];
      }),
    );
  }

  /** For who does not see the picture. @param {string | undefined} text */
  #say(text) {
    if (!text || text === this.#said) return;
    this.#said = text;
    element("status").textContent = text;
  }
}
