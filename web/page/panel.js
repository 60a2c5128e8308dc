// The form: what it shows is what the settings hold, both ways.
import { Camera } from "./camera.js";

/** @typedef {import("./settings.js").Name} Name */

/** How a slider's value is written beside it. @type {Record<string, (value: number) => string>} */
const WRITTEN = {
  opacity: (value) => `${Math.round(100 * value)} %`,
  edge: (value) => `${Math.round(100 * value)} %`,
  softness: (value) => `${Math.round(100 * value)} %`,
  blur: (value) => `${value} px`,
  edgeblur: (value) => `${value} px`,
  cell: (value) => `${value} px`,
};

export class Panel {
  /** A model that is on this site. */
  instead = "selfie-general";
  form = /** @type {HTMLFormElement} */ (document.getElementById("panel"));

  /**
   * @param {import("./settings.js").Settings} settings
   * @param {{openFile: (file: File) => void, openBackground: (file: File) => void, choose: (source: string) => void}} on
   */
  constructor(settings, { openFile, openBackground, choose }) {
    this.settings = settings;
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.form.addEventListener("input", ({ target }) => {
      const input = /** @type {HTMLInputElement} */ (target);
      if (input.type === "file") return;
      if (input.name === "source") choose(input.value);
      else settings.set(/** @type {Name} */ (input.name), input.type === "checkbox" ? input.checked : input.value);
    });
    for (const [id, open] of /** @type {[string, (file: File) => void][]} */ ([
      ["file", openFile],
      ["background", openBackground],
    ])) {
      const input = /** @type {HTMLInputElement} */ (document.getElementById(id));
      input.addEventListener("change", () => {
        if (input.files?.[0]) open(input.files[0]);
        input.value = ""; // so that the same file may be opened again
      });
    }
    settings.addEventListener("change", () => this.show());
    this.#listen();
    this.show();
  }

  /** Where there is little room the form is a sheet, which a button opens. */
  #listen() {
    const button = /** @type {HTMLElement} */ (document.getElementById("settings-open"));
    const { dataset } = document.documentElement;
    const open = (/** @type {boolean} */ yes) => {
      dataset.sheet = yes ? "open" : "closed";
      button.setAttribute("aria-expanded", String(yes));
    };
    button.addEventListener("click", () => open(dataset.sheet !== "open"));
    document.getElementById("canvas-holder")?.addEventListener("click", () => open(false));
    document.addEventListener("keydown", ({ key }) => {
      if (key !== "Escape" || dataset.sheet !== "open" || document.querySelector("dialog[open]")) return;
      open(false);
      button.focus();
    });
  }

  /** Brings the form in line with the settings. */
  show() {
    const { settings, form } = this;
    for (const input of /** @type {Iterable<HTMLInputElement>} */ (form.querySelectorAll("[name]"))) {
      const value = settings.get(/** @type {Name} */ (input.name));
      if (input.type === "checkbox") input.checked = value;
      else if (input.type === "radio") input.checked = input.value === value;
      else if (input instanceof HTMLSelectElement) choice(input, value);
      else if (input.value !== String(value)) input.value = value;
      const written = input.parentElement?.querySelector("output");
      if (written && input.name in WRITTEN) written.textContent = WRITTEN[input.name](value);
    }
    const effect = settings.get("effect");
    for (const row of /** @type {Iterable<HTMLElement>} */ (form.querySelectorAll("[data-for]"))) {
      row.hidden = !row.dataset.for?.split(" ").includes(effect);
    }
    /** @type {HTMLElement} */ (document.getElementById("stage")).dataset.effect = effect;
  }

  /** Names what is shown, where the form has no button for it. @param {string} name */
  name(name) {
    const shown = /** @type {HTMLElement} */ (document.getElementById("source-name"));
    shown.textContent = name;
    shown.hidden = !name;
  }

  /** Offers the cameras, where there are several. @returns {Promise<number>} how many */
  async listCameras() {
    const cameras = await Camera.list();
    const select = /** @type {HTMLSelectElement} */ (this.form.elements.namedItem("device"));
    const any = new Option("Any", "");
    select.replaceChildren(any, ...cameras.map(({ label, deviceId }) => new Option(label || "Camera", deviceId)));
    choice(select, this.settings.get("device"));
    const row = /** @type {HTMLElement} */ (document.getElementById("device-row"));
    row.hidden = cameras.length < 2;
    return cameras.length;
  }

  /** What a model is called here. @param {string} model */
  labelOf(model) {
    const select = /** @type {HTMLSelectElement} */ (this.form.elements.namedItem("model"));
    return [...select.options].find(({ value }) => value === model)?.text ?? model;
  }

  /** Offers the models of the catalogue. @param {string} address */
  async listModels(address) {
    /** @type {{name: string, title?: string, variant?: string | null, system?: string, topology?: string,
     *   url?: string | null}[]} */
    const models = await fetch(address)
      .then((response) => (response.ok ? response.json() : []))
      .catch(() => []); // the engine says what is the matter
    const select = /** @type {HTMLSelectElement} */ (this.form.elements.namedItem("model"));
    // Variants and networks that only find where to look are the systems' own business.
    const whole = ({ system = "", topology = "" }) => system === "selfie" || topology !== "none";
    const offered = models.filter((model) => !model.variant && whole(model));
    // A system may ask for a variant alone.
    const here = new Set(models.filter(({ url }) => url).map(({ name }) => name.split("+")[0]));
    select.replaceChildren(
      ...offered.map(({ name, title }) => {
        const text = here.has(name) ? (title ?? name) : `${title ?? name} (not on this site yet)`;
        return new Option(text, name);
      }),
    );
    choice(select, this.settings.get("model"));
    this.instead = offered.find(({ name }) => here.has(name))?.name ?? this.instead;
  }
}

/** A link may name what this list does not hold: it is shown all the same. @param {HTMLSelectElement} select @param {string} value */
function choice(select, value) {
  if (![...select.options].some((option) => option.value === value)) select.append(new Option(value, value));
  select.value = value;
}
