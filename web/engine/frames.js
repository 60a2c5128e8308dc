// Where frames come from. The latest wins: a frame that nobody has taken yet makes way for a newer one.

/** @typedef {{image: VideoFrame | ImageBitmap, time: number, width: number, height: number, still: boolean,
 *   source: AbortSignal, close: () => void}} Shot `width` and `height` are pixels as the source counts them, of which the
 *   image of a large picture has fewer; `source` is aborted once another one has been opened */

/** @typedef {{image: ImageBitmap, time: number, width: number, height: number}} Held a copy of a frame; its owner closes it */

/** Why no copy of a frame comes: for the person whose script asked. */
const WHY = {
  nothing: "The page has no source: start the camera or the sample first.",
  paused: "The page is paused: resume it, then call again.",
  changed: "The page's source was closed or changed: call again once the new one runs.",
  ended: "The page's source has ended: start it again, or choose another one.",
};

export class Frames {
  /** Counted so that it can be shown that every frame is closed. */
  counts = { in: 0, dropped: 0, closed: 0 };
  /** @type {Shot | null} */
  #waiting = null;
  /** @type {{bitmap: ImageBitmap, width: number, height: number} | null} */
  #picture = null;
  /** @type {(() => void) | null} */
  #wake = null;
  /** @type {AbortController} */
  #source = new AbortController();
  #paused = false;
  #opened = false;
  #ended = false;
  /** Who waits for a copy of the next frame. @type {{resolve: (held: Promise<Held>) => void, reject: (why: Error) => void}[]} */
  #watchers = [];

  /**
   * @param {() => void} wanted tells whoever pushes frames that the next one may come
   * @param {() => void} ended the source gives no more
   */
  constructor(wanted, ended) {
    this.wanted = wanted;
    this.ended = ended;
  }

  /**
   * Takes frames from another source from now on; null from none.
   * @param {{kind: "stream", stream: ReadableStream<VideoFrame>} | {kind: "track", track: MediaStreamTrack}
   *   | {kind: "pushed"} | {kind: "picture", bitmap: ImageBitmap, width: number, height: number} | null} source
   */
  open(source) {
    this.#refuse(WHY.changed);
    this.#opened = source !== null;
    this.#ended = false;
    this.#source.abort();
    this.#source = new AbortController();
    this.#drop();
    this.#picture?.bitmap.close();
    this.#picture = null;
    if (source?.kind === "stream") void this.#read(source.stream, this.#source.signal);
    if (source?.kind === "track") {
      void this.#read(new MediaStreamTrackProcessor({ track: source.track }).readable, this.#source.signal);
    }
    if (source?.kind === "pushed") this.wanted();
    if (source?.kind === "picture") this.#picture = source;
    this.#wake?.();
  }

  /**
   * Copies the next frame for a script, whatever is done with the frames themselves.
   * @returns {Promise<Held>} rejected where none will come, with a sentence that says why
   */
  async copy() {
    if (!this.#opened) throw new Error(WHY.nothing);
    if (this.#ended) throw new Error(WHY.ended);
    if (this.#paused) throw new Error(WHY.paused);
    if (this.#picture) {
      const { width, height } = this.#picture;
      return copied(this.#picture.bitmap, { time: performance.now() / 1000, width, height });
    }
    return new Promise((resolve, reject) => this.#watchers.push({ resolve, reject }));
  }

  /** The source gives no more frames, though it is still chosen. */
  end() {
    this.#ended = true;
    this.#refuse(WHY.ended);
  }

  /** @param {string} why those who wait get nothing */
  #refuse(why) {
    for (const { reject } of this.#watchers.splice(0)) reject(new Error(why));
  }

  /** @param {boolean} paused */
  set paused(paused) {
    this.#paused = paused;
    if (paused) {
      this.#drop();
      this.#refuse(WHY.paused);
    } else this.#wake?.();
  }

  /**
   * A frame arrives.
   * @param {VideoFrame | ImageBitmap} image closed here, sooner or later
   * @param {number} time seconds
   * @param {{width: number, height: number}} [size] pixels as the source counts them, where the image has fewer
   */
  push(image, time, size) {
    this.counts.in++;
    if (this.#waiting) this.counts.dropped++;
    this.#drop();
    const { width, height } = size ?? sizeOf(image);
    const close = () => {
      image.close();
      this.counts.closed++;
    };
    if (this.#paused || !width || !height) {
      this.counts.dropped++;
      close();
      return;
    }
    for (const { resolve } of this.#watchers.splice(0)) resolve(copied(image, { time, width, height }));
    this.#waiting = { image, time, width, height, still: false, source: this.#source.signal, close };
    this.#wake?.();
  }

  /** The newest frame, if there is one. @returns {Shot | null} whoever takes it closes it */
  take() {
    if (this.#paused) return null;
    if (this.#picture) return this.#still(this.#picture);
    const shot = this.#waiting;
    this.#waiting = null;
    if (shot) this.wanted();
    return shot;
  }

  /** The newest frame, as soon as there is one. @returns {Promise<Shot>} whoever takes it closes it */
  async next() {
    for (;;) {
      const shot = this.take();
      if (shot) return shot;
      await new Promise((resolve) => {
        this.#wake = () => resolve(undefined);
      });
      this.#wake = null;
    }
  }

  /** @param {{bitmap: ImageBitmap, width: number, height: number}} picture stays open for the next time */
  #still({ bitmap, width, height }) {
    this.counts.in++;
    const close = () => {
      this.counts.closed++;
    };
    const { signal } = this.#source;
    return { image: bitmap, time: performance.now() / 1000, width, height, still: true, source: signal, close };
  }

  #drop() {
    this.#waiting?.close();
    this.#waiting = null;
  }

  /** @param {ReadableStream<VideoFrame>} stream @param {AbortSignal} signal */
  async #read(stream, signal) {
    const reader = stream.getReader();
    signal.addEventListener("abort", () => void reader.cancel().catch(() => undefined));
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (signal.aborted) value?.close();
        if (done || signal.aborted) break;
        this.push(value, value.timestamp / 1e6);
      }
    } catch {
      // A camera that was unplugged ends its stream with an error: the source has ended either way.
    }
    if (signal.aborted) return;
    this.end();
    this.ended();
  }
}

/**
 * A copy that outlives the frame, which may be closed as soon as this has been called.
 * @param {VideoFrame | ImageBitmap} image @param {{time: number, width: number, height: number}} shot what is known of it
 * @returns {Promise<Held>}
 */
async function copied(image, { time, width, height }) {
  const own = image instanceof ImageBitmap ? null : image.clone();
  try {
    return { image: await createImageBitmap(own ?? image), time, width, height };
  } finally {
    own?.close();
  }
}

/** Pixels of an image, as displayed. @param {VideoFrame | ImageBitmap} image @returns {{width: number, height: number}} */
export function sizeOf(image) {
  if (image instanceof ImageBitmap) return image;
  return { width: image.displayWidth, height: image.displayHeight };
}
