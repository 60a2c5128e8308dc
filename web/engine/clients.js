// Scripts: a person's own Python in a worker of its own, which may look at frames and pictures through a port.
import { lay } from "./masks.js";

/** @typedef {{id: number, type: string, args: unknown[]}} Call */
/** @typedef {import("./frames.js").Held} Held */
/** A user of networks: it holds those that it uses until it is closed, and its smoothed masks.
 * @typedef {{streams: import("./masks.js").Streams, closed?: boolean, model?: string}} User `model` is what the page calls it */

/** How many pictures a script may hold at once; the oldest makes way. */
const HELD = 8;

/** Why nothing comes of a run that `close()` overtook. */
export const CLOSED = "This estimator was closed: create another one.";

/**
 * Serves a script's calls, until what is given back is called.
 * @param {MessagePort} port
 * @param {{networks: () => Promise<import("./networks.js").Networks>, masks: import("./masks.js").Masks,
 *   current: () => Promise<Held>,
 *   run: (user: User, shot: Held, requests: import("./decider.js").Request[], streams: import("./masks.js").Streams) =>
 *     Promise<import("./decider.js").Result[]>}} engine
 */
export function serveClient(port, engine) {
  /** @type {Map<number, Held>} */
  const held = new Map();
  /** The script's detectors and segmenters. @type {Map<number, User>} */
  const estimators = new Map();
  let made = 0;
  let left = false;

  /** @param {Held} shot */
  const hold = (shot) => {
    held.set(++made, shot);
    if (held.size > HELD) release(/** @type {number} */ (held.keys().next().value));
    const { time, width, height } = shot;
    if (left) release(made);
    return { id: made, time, width, height };
  };
  /** @param {number} id */
  const release = (id) => {
    held.get(id)?.image.close();
    held.delete(id);
  };
  /** @param {number} id */
  const close = (id) => {
    const user = estimators.get(id);
    estimators.delete(id);
    if (!user) return;
    user.closed = true;
    const none = () => undefined; // where no network could be loaded none is to be released
    void engine.networks().then((networks) => networks.drop(user), none);
  };

  /** @type {Record<string, (...args: any[]) => Promise<unknown>>} */
  const calls = {
    open: async (/** @type {string[]} */ models) => {
      const id = ++made;
      /** @type {User} */
      const user = { streams: new Map(), closed: left };
      estimators.set(id, user);
      try {
        const networks = await engine.networks();
        if (!user.closed) await Promise.all(models.map((model) => networks.get(model, user)));
      } catch (error) {
        close(id);
        throw error;
      }
      return id;
    },
    close: async (/** @type {number} */ id) => close(id),
    reset: async (/** @type {number} */ id) => estimators.get(id)?.streams.clear(),
    current: async () => hold(await engine.current()),
    picture: async (/** @type {Uint8Array} */ pixels, /** @type {number} */ width, /** @type {number} */ height) => {
      const data = new ImageData(new Uint8ClampedArray(pixels), width, height);
      return hold({ image: await createImageBitmap(data), time: 0, width, height });
    },
    infer: async (/** @type {number} */ estimator, id, text, /** @type {boolean} */ apart) => {
      const shot = held.get(id);
      if (!shot) throw new Error("This picture has made way for newer ones: hold fewer at once.");
      const user = estimators.get(estimator);
      if (!user) throw new Error(CLOSED);
      return engine.run(user, shot, JSON.parse(text), apart ? new Map() : user.streams);
    },
    read: async (/** @type {number} */ handle, region, frameWidth, frameHeight, width, height) => {
      const mask = engine.masks.get(handle);
      return mask ? lay(mask, region, frameWidth, frameHeight, width, height) : null;
    },
    release: async (/** @type {number} */ id) => release(id),
  };

  port.onmessage = async ({ data }) => {
    const { id, type, args } = /** @type {Call} */ (data);
    try {
      port.postMessage({ id, value: await calls[type](...args) });
    } catch (error) {
      port.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
    }
  };
  return () => {
    left = true;
    port.close();
    for (const id of held.keys()) release(id);
    for (const id of estimators.keys()) close(id);
  };
}
