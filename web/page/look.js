// How the picture is to look: the settings as the engine takes them.
import { table } from "../tables.js";
import { background } from "./backgrounds.js";
import { partNumbers } from "./parts.js";
import { decode } from "./still.js";

/** Milliseconds between looks: a slider moves more often than pictures are drawn. */
const PACE = 16;

/** Longest side of a background that is kept: more shows on no screen. */
const BACKGROUND = 2048;

export class Look {
  /** The picture behind people. @type {{name: string, bitmap: ImageBitmap} | null} */
  #picture = null;
  #pictureSent = false;
  #asked = false;

  /**
   * @param {import("./settings.js").Settings} settings
   * @param {HTMLElement} holder of the canvas
   * @param {(view: Partial<View>) => void} send to the engine
   */
  constructor(settings, holder, send) {
    this.settings = settings;
    this.holder = holder;
    this.sendView = send;
    new ResizeObserver(() => this.ask()).observe(holder);
  }

  /** A fresh engine knows nothing yet. */
  renew() {
    this.#pictureSent = false;
  }

  /** Sends it soon, and once for many changes. */
  ask() {
    if (this.#asked) return;
    this.#asked = true;
    setTimeout(() => {
      this.#asked = false;
      this.send();
    }, PACE);
  }

  send() {
    const { settings } = this;
    const text = settings.get("color");
    /** @type {Partial<View>} */
    const view = {
      effect: settings.get("effect"),
      opacity: settings.get("opacity"),
      color: /** @type {Color} */ ([1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16) / 255)),
      blur: settings.get("blur"),
      mirror: settings.get("mirror"),
      skeleton: settings.get("skeleton"),
      plain: settings.get("bones") === "plain",
      table: table(settings.get("table")) ?? undefined,
      hidden: partNumbers(settings.get("hide")) ?? undefined,
      edgeBlur: settings.get("edgeblur"),
      cell: settings.get("cell"),
      contour: settings.get("contour"),
      invert: settings.get("invert"),
      threshold: settings.get("edge"),
      softness: settings.get("softness"),
      limit: this.#limit(),
    };
    const name = settings.get("picture");
    if (view.effect === "picture") {
      const known = this.#picture?.name === name ? this.#picture : null;
      const picture = known ?? { name, bitmap: background(name) };
      // The engine keeps the last one, so it crosses over only when it is another.
      if (!known || !this.#pictureSent) view.picture = picture.bitmap;
      this.#picture = picture;
      this.#pictureSent = true;
    }
    this.sendView(view);
  }

  /** Puts people before a picture of one's own. @param {File} file */
  async openBackground(file) {
    this.#picture = { name: "own", bitmap: (await decode(file, null, BACKGROUND)).bitmap };
    this.#pictureSent = false;
    this.settings.set("picture", "own");
    this.send();
  }

  /** More pixels than the screen shows would be drawn for nothing. */
  #limit() {
    const { width, height } = this.holder.getBoundingClientRect();
    const longest = Math.max(width, height) * devicePixelRatio;
    return Math.min(1920, Math.max(640, 320 * Math.ceil(longest / 320)));
  }
}
