// Scripts: a person's own Python in a worker of its own, which may look at frames and pictures through a port.
import { lay } from "./masks.js";

/** @typedef {{id: number, type: string, args: unknown[]}} Call */
/** @typedef {{image: ImageBitmap, time: number, width: number, height: number}} Held */

/** How many pictures a script may hold at once; the oldest makes way. */
const HELD = 8;

/**
 * Serves a script's calls, until what is given back is called.
 * @param {MessagePort} port
 * @param {string} name
 * @param {{networks: () => Promise<import("./networks.js").Networks>, masks: import("./masks.js").Masks,
 *   current: () => Promise<Held>,
 *   run: (client: string, shot: Held, requests: import("./decider.js").Request[]) =>
 *     Promise<import("./decider.js").Result[]>}} engine
 */
export function serveClient(port, name, engine) {
  /** @type {Map<number, Held>} */
  const held = new Map();
  let made = 0;

  /** @param {Held} shot */
  const hold = (shot) => {
    held.set(++made, shot);
    release(made - HELD);
    return { id: made, time: shot.time, width: shot.width, height: shot.height };
  };
  /** @param {number} id */
  const release = (id) => {
    held.get(id)?.image.close();
    held.delete(id);
  };

  /** @type {Record<string, (...args: any[]) => Promise<unknown>>} */
  const calls = {
    load: async (/** @type {string[]} */ models) => {
      const networks = await engine.networks();
      await Promise.all(models.map((model) => networks.get(model)));
    },
    current: async () => hold(await engine.current()),
    picture: async (/** @type {Uint8Array} */ pixels, /** @type {number} */ width, /** @type {number} */ height) => {
      const data = new ImageData(new Uint8ClampedArray(pixels), width, height);
      return hold({ image: await createImageBitmap(data), time: 0, width, height });
    },
    infer: async (/** @type {number} */ id, /** @type {string} */ text) => {
      const shot = held.get(id);
      if (!shot) throw new Error("This picture has made way for newer ones: hold fewer at once.");
      return engine.run(name, shot, JSON.parse(text));
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
    port.close();
    for (const id of held.keys()) release(id);
  };
}
