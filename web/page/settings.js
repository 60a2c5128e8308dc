// What the person chose. It is always in the address, so that a link is a set-up.

import { table } from "../tables.js";
import { partNumbers } from "./parts.js";

/** @typedef {string | number | boolean} Value */

/** The settings and their defaults; a list is a choice, its first entry the default. */
const KNOWN = {
  source: "",
  device: "",
  facing: "",
  model: "selfie-general",
  backend: ["auto", "wasm", "webgpu", "webgl"],
  effect: [
    ...["mask", "blur", "color", "picture", "cutout", "none"],
    ...["parts", "people", "hide", "pixelate", "bokeh", "dim", "heat"],
  ],
  mirror: false,
  smoothing: true,
  skeleton: true,
  color: "#2dd4a8",
  opacity: 0.6,
  blur: 16,
  picture: ["dawn", "lagoon", "studio", "own"],
  edge: 0.5,
  softness: 0.2,
  table: "rainbow",
  hide: "face",
  cell: 10,
  edgeblur: 3,
  contour: false,
  invert: false,
  bones: ["shaded", "plain"],
};

/** @typedef {keyof typeof KNOWN} Name */

/** Which settings belong in the address, by effect. @type {Record<string, Name[]>} */
const OF_EFFECT = {
  mask: ["color", "opacity", "edge", "softness"],
  blur: ["blur", "edge", "softness"],
  color: ["color", "edge", "softness"],
  picture: ["picture", "edge", "softness"],
  cutout: ["edge", "softness"],
  none: [],
  parts: ["table", "opacity", "edge", "edgeblur"],
  people: ["opacity", "edge", "edgeblur"],
  hide: ["hide", "blur", "edge", "edgeblur"],
  pixelate: ["table", "opacity", "edge", "cell"],
  bokeh: ["blur", "edge", "edgeblur"],
  dim: ["opacity", "edge", "edgeblur", "contour", "invert"],
  heat: ["opacity"],
};

/** Effects that colour or hide parts of bodies, and those that tell people apart. */
const PARTS = ["parts", "hide", "pixelate"];
const PEOPLE = ["people"];

/** @param {Name} name @returns {Value} */
const fallback = (name) => {
  const known = KNOWN[name];
  return Array.isArray(known) ? known[0] : known;
};

/** @param {Name} name @param {string} text @returns {Value | null} null where it makes no sense */
function parse(name, text) {
  const known = KNOWN[name];
  if (Array.isArray(known)) return known.includes(text) ? text : null;
  if (typeof known === "boolean") return !["0", "false", "no", "off"].includes(text.toLowerCase());
  if (typeof known === "number") return text.trim() && Number.isFinite(Number(text)) ? Number(text) : null;
  if (name === "table") return table(text) && text;
  if (name === "hide") return partNumbers(text) && text;
  if (name === "facing") return ["user", "environment", ""].includes(text) ? text : null;
  if (name === "color") return /^#[0-9a-f]{6}$/i.test(text) ? text.toLowerCase() : null;
  return text;
}

export class Settings extends EventTarget {
  /** @type {Map<Name, Value>} */
  #values = new Map();
  /** What the address held that is not ours: options of the models. @type {Map<string, string>} */
  #others = new Map();
  /** @type {Set<Name>} */
  #given = new Set();
  #timer = 0;

  /** @param {string} query of the address */
  constructor(query) {
    super();
    for (const [key, text] of new URLSearchParams(query)) {
      if (!Object.hasOwn(KNOWN, key)) {
        this.#others.set(key, text);
        continue;
      }
      const name = /** @type {Name} */ (key);
      const value = parse(name, text);
      if (value === null) continue;
      this.#values.set(name, value);
      this.#given.add(name);
    }
  }

  /** @param {Name} name @returns {any} */
  get(name) {
    return this.#values.get(name) ?? fallback(name);
  }

  /** What the person sets; a form's text will do. @param {Name} name @param {Value} value */
  set(name, value) {
    const parsed = typeof value === "string" ? parse(name, value) : value;
    if (parsed === null) return;
    this.#given.add(name);
    this.#change(name, parsed);
  }

  /** What is usual here, unless the link or the person said otherwise. @param {Name} name @param {Value} value */
  assume(name, value) {
    if (!this.#given.has(name)) this.#change(name, value);
  }

  /** What was said no longer counts. @param {Name} name */
  forget(name) {
    this.#given.delete(name);
  }

  /** @param {Name} name @param {Value} value */
  #change(name, value) {
    if (value === this.get(name)) return;
    this.#values.set(name, value);
    this.dispatchEvent(new CustomEvent("change", { detail: name }));
    this.write();
  }

  /** Whether the link or the person said so. @param {Name} name */
  given(name) {
    return this.#given.has(name);
  }

  /** Options of the model's own pipeline. @returns {Record<string, Value>} */
  get options() {
    const effect = this.get("effect");
    const [parts, people] = [PARTS.includes(effect), PEOPLE.includes(effect)];
    /** @type {Record<string, Value>} */
    const options = {
      smoothing: this.get("smoothing"),
      masks: effect !== "none",
      parts,
      people,
      everyone: effect === "hide",
    };
    for (const [name, text] of this.#others) {
      if (text === "true" || text === "false") options[name] = text === "true";
      else options[name] = text.trim() && Number.isFinite(Number(text)) ? Number(text) : text;
    }
    return options;
  }

  get query() {
    const query = new URLSearchParams();
    /** @type {Name[]} */
    const names = ["source", "device", "facing", "model", "backend", "effect", "mirror", "smoothing", "skeleton"];
    if (this.get("bones") !== "shaded") names.push("bones");
    for (const name of [...names, ...OF_EFFECT[this.get("effect")]]) {
      const value = this.get(name);
      if (value !== "") query.set(name, typeof value === "boolean" ? String(Number(value)) : String(value));
    }
    for (const [name, text] of this.#others) query.set(name, text);
    return query.toString().replaceAll("%2F", "/");
  }

  /** Browsers limit how often the address may change: a slider's last position counts. */
  write() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => history.replaceState(history.state, "", `?${this.query}`), 100);
  }
}
