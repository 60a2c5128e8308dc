// The camera as a source: a stream of frames for the engine, by the shortest way that the browser has.
import { Problem } from "./problems.js";
import { Pusher } from "./video.js";

/** What browsers call it when there is no camera to be had. @type {Record<string, string>} */
const CODES = {
  NotAllowedError: "camera-refused",
  SecurityError: "camera-refused",
  NotFoundError: "camera-none",
  NotReadableError: "camera-in-use",
  AbortError: "camera-in-use",
  OverconstrainedError: "camera-overconstrained",
};

/** What is asked of a camera. A phone held upright gives it upright. */
const SIZE = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };

/** @typedef {{device: string, facing: string}} Which a camera's id, else "user" or "environment"; "" leaves it open */
/** @typedef {import("./source.js").On} On */

/** @implements {Source} */
export class Camera {
  moving = true;
  /** Why this is not the camera that was asked for; "" where it is. */
  instead = "";
  /** Whether the torch is on. */
  lit = false;
  /** @type {Pusher | null} */
  #pusher = null;
  /** @type {HTMLVideoElement | null} */
  #video = null;
  #asked = { share: 1, frameRate: 30 };

  /** @param {MediaStreamTrack} track @param {On} on */
  constructor(track, on) {
    this.track = track;
    this.name = track.label;
    const { facingMode, width = 1280, height = 720 } = track.getSettings();
    this.mirrored = facingMode !== "environment";
    this.size = { width, height };
    track.addEventListener("ended", () => on.ended("camera-unplugged"));
    track.addEventListener("mute", () => on.interrupted(true));
    track.addEventListener("unmute", () => on.interrupted(false));
  }

  /**
   * Asks the person for their camera. One that is not there is replaced by another.
   * @param {Which} which
   * @param {On} on
   */
  static async open({ device, facing }, on) {
    if (!navigator.mediaDevices) throw new Problem(isSecureContext ? "camera-none" : "camera-insecure");
    const open = async (/** @type {MediaTrackConstraints} */ which) => {
      const stream = await navigator.mediaDevices.getUserMedia({ video: { ...which, ...SIZE }, audio: false });
      return new Camera(stream.getVideoTracks()[0], on);
    };
    const usual = { facingMode: facing || "user" };
    const back = facing === "environment";
    const wanted = device ? { deviceId: { exact: device } } : back ? { facingMode: { exact: facing } } : null;
    try {
      return await open(wanted ?? usual).catch(async (error) => {
        if (!wanted || error.name !== "OverconstrainedError") throw error;
        const camera = await open(usual);
        const lacking = device ? "The chosen camera is not here" : "This device has no camera at the back";
        camera.instead = `${lacking}, so this is another one.`;
        return camera;
      });
    } catch (error) {
      const { name, message } = /** @type {Error} */ (error);
      throw new Problem(CODES[name] ?? "camera-failed", message);
    }
  }

  /** The cameras that the person may choose from; without leave they have no names. */
  static async list() {
    const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    return devices.filter(({ kind, deviceId }) => kind === "videoinput" && deviceId);
  }

  /** The camera to switch to: the one on the device's other side, else the next of all. @returns {Promise<Which>} */
  async next() {
    const cameras = /** @type {InputDeviceInfo[]} */ (await Camera.list());
    const { facingMode, deviceId } = this.track.getSettings();
    const sides = new Set(cameras.flatMap((camera) => camera.getCapabilities?.().facingMode ?? []));
    const other = facingMode === "environment" ? "user" : "environment";
    // Not every browser says beforehand which way its cameras look.
    if (facingMode && (sides.has(other) || !sides.size)) return { facing: other, device: "" };
    const i = cameras.findIndex((camera) => camera.deviceId === deviceId);
    return { facing: "", device: cameras[(i + 1) % cameras.length].deviceId };
  }

  /** @param {import("./engine.js").Engine} engine @param {{trackProcessor: boolean}} features */
  async attach(engine, features) {
    this.#detach();
    if ("MediaStreamTrackProcessor" in globalThis) {
      const { readable } = new MediaStreamTrackProcessor({ track: this.track });
      engine.send({ type: "source", source: { kind: "stream", stream: readable } }, [readable]);
    } else if (!features.trackProcessor || !this.#sendTrack(engine)) {
      const video = (this.#video = document.createElement("video"));
      Object.assign(video, { muted: true, playsInline: true, srcObject: new MediaStream([this.track]) });
      video.className = "feed";
      video.ariaHidden = "true";
      document.body.append(video); // Safari gives no frames of a video that is nowhere
      await video.play();
      this.#pusher = new Pusher(video, engine);
    }
  }

  /** @param {import("./engine.js").Engine} engine @returns {boolean} whether the browser hands tracks to workers */
  #sendTrack(engine) {
    const track = this.track.clone();
    try {
      const transfer = [/** @type {Transferable} */ (/** @type {unknown} */ (track))];
      engine.send({ type: "source", source: { kind: "track", track } }, transfer);
      return true;
    } catch {
      track.stop();
      return false;
    }
  }

  #detach() {
    this.#pusher?.stop();
    this.#video?.remove();
    this.#pusher = this.#video = null;
  }

  get gone() {
    return this.track.readyState === "ended";
  }

  wanted() {
    this.#pusher?.wanted();
  }

  /** Where browsers can, the camera's own light goes out. @param {boolean} paused */
  pause(paused) {
    this.track.enabled = !paused;
    if (!paused) this.#video?.play().catch(() => undefined);
    else if (this.lit) void this.light(false);
  }

  close() {
    this.#detach();
    this.track.stop();
  }

  /** Whether there is a torch; some browsers know only once pictures come. */
  get torch() {
    return Boolean(/** @type {{torch?: boolean}} */ (this.track.getCapabilities?.() ?? {}).torch);
  }

  /** @param {boolean} on @returns {Promise<boolean>} whether the torch is now as asked */
  async light(on) {
    this.lit = on;
    const done = await this.#apply();
    if (!done) this.lit = false;
    return done;
  }

  /**
   * Asks less of the camera, or more again.
   * @param {{share: number, frameRate: number}} asked share of the sides of the picture
   * @returns {Promise<boolean>} whether the camera can
   */
  ask(asked) {
    this.#asked = asked;
    return this.#apply();
  }

  /** All constraints at once, for the later replace the earlier. */
  async #apply() {
    const { share, frameRate } = this.#asked;
    const sides = [this.size.width, this.size.height].map((side) => Math.round(side * share));
    // A phone's camera lies on its side: browsers turn its pictures, and take sizes as it has them itself.
    const held = globalThis.screen?.orientation?.type ?? "landscape";
    const [width, height] = held.startsWith("portrait") ? sides.sort((a, b) => b - a) : sides;
    const advanced = this.torch ? [/** @type {MediaTrackConstraintSet} */ ({ torch: this.lit })] : [];
    try {
      await this.track.applyConstraints({
        width: { ideal: width },
        height: { ideal: height },
        frameRate: { ideal: frameRate },
        advanced,
      });
      return true;
    } catch {
      return false; // the camera goes on as it was
    }
  }
}

/** @typedef {import("./source.js").Source} Source */
