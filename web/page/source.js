// Where pictures come from: one interface, whoever delivers them.
import { Camera } from "./camera.js";
import { Problem } from "./problems.js";
import { Still } from "./still.js";
import { Video } from "./video.js";

/**
 * @typedef {object} Source
 * @property {string} name to show
 * @property {boolean} mirrored whether people expect to see it as in a mirror
 * @property {boolean} moving whether it shows something that goes on
 * @property {boolean} gone whether it will give no more frames, though nobody closed it
 * @property {(engine: import("./engine.js").Engine, features: {trackProcessor: boolean}) => Promise<void>} attach
 *   hands the frames to an engine; may be called again for another one
 * @property {() => void} wanted the engine takes the next pushed frame
 * @property {(paused: boolean) => void} pause
 * @property {() => void} close
 */

/** @typedef {{ended: (code: string, detail?: string) => void, interrupted: (yes: boolean) => void}} On the source is
 *   gone; something else, such as a call, has the camera for a while */

/**
 * @param {string} address camera, sample, or that of a picture or a video on this site
 * @param {{samples: string}} site
 * @param {import("./camera.js").Which & On} options which camera, and what is heard of the source
 * @returns {Promise<Source>}
 */
export async function openSource(address, site, options) {
  if (address === "camera") return Camera.open(options, options);
  const url = address === "sample" ? new URL("astronaut.jpg", site.samples) : parse(address);
  if (url.origin !== location.origin) throw new Problem("source-foreign", url.origin);
  const stop = new AbortController();
  const response = await fetch(url, { signal: stop.signal }).catch((error) => {
    throw new Problem("source-missing", String(error.message ?? error));
  });
  if (!response.ok) throw new Problem("source-missing", `${url.pathname}: ${response.status} ${response.statusText}`);
  const name = address === "sample" ? "Sample picture" : decodeURIComponent(url.pathname.split("/").at(-1) ?? "");
  if (response.headers.get("content-type")?.startsWith("video/")) {
    stop.abort(); // the <video> loads it piece by piece
    return Video.open(url.href, name, options);
  }
  return Still.open(await response.blob(), name);
}

/** @param {File} file that the person opened or dropped @param {On} on @returns {Promise<Source>} */
export async function openFile(file, on) {
  const asVideo = () => Video.open(URL.createObjectURL(file), file.name, on);
  if (file.type.startsWith("video/")) return asVideo();
  const still = Still.open(file, file.name);
  return file.type.startsWith("image/") ? still : still.catch(asVideo); // a name may say nothing
}

/** @param {string} address */
function parse(address) {
  try {
    return new URL(address, document.baseURI);
  } catch {
    throw new Problem("source-missing", address);
  }
}
