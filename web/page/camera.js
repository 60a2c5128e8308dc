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

/** @implements {Source} */
export class Camera {
  /** @type {Pusher | null} */
  #pusher = null;

  /** @param {MediaStreamTrack} track @param {(code: string) => void} ended */
  constructor(track, ended) {
    this.track = track;
    this.name = track.label;
    this.mirrored = track.getSettings().facingMode !== "environment";
    track.addEventListener("ended", () => ended("camera-unplugged"));
  }

  /**
   * Asks the person for their camera.
   * @param {string} device its id; "" takes the one that faces the person
   * @param {(code: string) => void} ended the camera is gone
   */
  static async open(device, ended) {
    if (!navigator.mediaDevices) throw new Problem(isSecureContext ? "camera-none" : "camera-insecure");
    const which = device ? { deviceId: { exact: device } } : { facingMode: "user" };
    const video = { ...which, width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
      return new Camera(stream.getVideoTracks()[0], ended);
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

  /** @param {import("./engine.js").Engine} engine @param {{trackProcessor: boolean}} features */
  async attach(engine, features) {
    this.#pusher?.stop();
    this.#pusher = null;
    if ("MediaStreamTrackProcessor" in globalThis) {
      const { readable } = new MediaStreamTrackProcessor({ track: this.track });
      engine.send({ type: "source", source: { kind: "stream", stream: readable } }, [readable]);
    } else if (!features.trackProcessor || !this.#sendTrack(engine)) {
      const video = document.createElement("video");
      Object.assign(video, { muted: true, playsInline: true, srcObject: new MediaStream([this.track]) });
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

  get gone() {
    return this.track.readyState === "ended";
  }

  wanted() {
    this.#pusher?.wanted();
  }

  /** The light of the camera stays on: switching it off and on again takes seconds. */
  pause() {}

  close() {
    this.#pusher?.stop();
    this.track.stop();
  }
}

/** @typedef {import("./source.js").Source} Source */
