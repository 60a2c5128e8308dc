// A video as a source, and the way to hand over frames one by one, for browsers that give no stream of them.
import { explain, identify } from "./formats.js";
import { Problem } from "./problems.js";

/** Hands over the newest frame of a <video>, and the next only once the engine has asked for it. */
export class Pusher {
  #wanted = false;
  #fresh = false;
  #making = false;
  #stopped = false;
  /** When the newest frame is to be shown, seconds of the video, whatever its speed. */
  #time = 0;

  /** @param {HTMLVideoElement} video @param {import("./engine.js").Engine} engine */
  constructor(video, engine) {
    this.video = video;
    this.engine = engine;
    this.#watch();
    engine.send({ type: "source", source: { kind: "pushed" } });
  }

  wanted() {
    this.#wanted = true;
    void this.#push();
  }

  stop() {
    this.#stopped = true;
  }

  #watch() {
    if (this.#stopped) return;
    /** @param {number} _ @param {VideoFrameCallbackMetadata} [metadata] */
    const next = (_, metadata) => {
      this.#time = metadata?.mediaTime ?? this.video.currentTime;
      this.#fresh = true;
      void this.#push();
      this.#watch();
    };
    if ("requestVideoFrameCallback" in this.video) this.video.requestVideoFrameCallback(next);
    else requestAnimationFrame(next);
  }

  async #push() {
    const { video } = this;
    if (!this.#wanted || !this.#fresh || this.#making || this.#stopped || video.readyState < 2) return;
    this.#fresh = this.#wanted = false;
    this.#making = true;
    const time = this.#time;
    try {
      const frame =
        "VideoFrame" in globalThis
          ? new VideoFrame(video, { timestamp: Math.round(time * 1e6) })
          : await createImageBitmap(video);
      if (this.#stopped) frame.close();
      else this.engine.send({ type: "frame", frame, time }, [frame]);
    } catch {
      this.#wanted = true; // this frame was not to be had; the next one may be
    } finally {
      this.#making = false;
    }
  }
}

/** @implements {Source} */
export class Video {
  mirrored = false;
  moving = true;
  gone = false;
  /** @type {Pusher | null} */
  #pusher = null;

  /** @param {HTMLVideoElement} video @param {string} name */
  constructor(video, name) {
    this.video = video;
    this.name = name;
  }

  /**
   * @param {string} address @param {string} name
   * @param {import("./source.js").On} on what is heard of it once it is open
   * @param {import("./formats.js").Read} read its bytes, to name it where it cannot be shown
   */
  static async open(address, name, on, read) {
    const video = document.createElement("video");
    const opened = new Video(video, name);
    try {
      await new Promise((resolve, reject) => {
        video.onloadeddata = resolve;
        video.onerror = reject;
        Object.assign(video, { muted: true, loop: true, playsInline: true, src: address });
      });
    } catch {
      const { error } = video;
      opened.close();
      throw await unreadable(read, error);
    }
    if (!video.videoWidth) {
      opened.close();
      const problem = await unreadable(read, null);
      throw problem.text ? problem : new Problem("source-without-pictures");
    }
    // A damaged file may begin well, and come to its end only when it is to begin again.
    let furthest = 0;
    video.ontimeupdate = () => (furthest = Math.max(furthest, video.currentTime));
    video.onerror = () => {
      const reached = `The video is damaged: it cannot be decoded beyond ${furthest.toFixed(1)} s.`;
      on.ended("source-unreadable", video.error?.message, `${reached} Open another copy of it.`);
    };
    return opened;
  }

  /** @param {import("./engine.js").Engine} engine */
  async attach(engine) {
    this.#pusher?.stop();
    this.#pusher = new Pusher(this.video, engine);
    this.pause(false);
  }

  wanted() {
    this.#pusher?.wanted();
  }

  /** @param {boolean} paused */
  pause(paused) {
    if (paused) this.video.pause();
    else this.video.play().catch(() => undefined); // paused again before it began
  }

  close() {
    this.#pusher?.stop();
    const { src } = this.video;
    this.video.onerror = null;
    this.video.removeAttribute("src");
    this.video.load();
    if (src.startsWith("blob:")) URL.revokeObjectURL(src);
  }
}

/**
 * Says what the file is that no <video> shows.
 * @param {import("./formats.js").Read} read @param {MediaError | null} error
 */
async function unreadable(read, error) {
  const format = await identify(read);
  if (format.kind === "sound") return new Problem("source-without-pictures", error?.message);
  const damaged = error?.code === MediaError.MEDIA_ERR_DECODE;
  return new Problem("source-unreadable", error?.message, explain(format, damaged));
}

/** @typedef {import("./source.js").Source} Source */
