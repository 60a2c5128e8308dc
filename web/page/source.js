// Where pictures come from: one interface, whoever delivers them.
import { Animation } from "./animation.js";
import { Camera } from "./camera.js";
import { identify, readAddress, readBlob } from "./formats.js";
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

/** @typedef {{ended: (code: string, detail?: string, text?: string) => void, interrupted: (yes: boolean) => void,
 *   reduced: (why: string) => void}} On the source is gone; something else, such as a call, has the camera for a while;
 *   less of a file is shown than it holds */

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
    throw new Problem("source-unreachable", String(error.message ?? error));
  });
  if (!response.ok) throw new Problem("source-missing", `${url.pathname}: ${response.status} ${response.statusText}`);
  const name = address === "sample" ? "Sample picture" : decodeURIComponent(url.pathname.split("/").at(-1) ?? "");
  if (response.headers.get("content-type")?.startsWith("video/")) {
    stop.abort(); // the <video> loads it piece by piece
    return Video.open(url.href, name, options, readAddress(url.href));
  }
  const blob = await response.blob().catch((error) => {
    throw new Problem("source-unreachable", String(error.message ?? error));
  });
  return openBlob(blob, name, options);
}

/** @param {File} file that the person opened or dropped @param {On} on */
export const openFile = (file, on) => openBlob(file, file.name, on);

/** @param {Blob} blob @param {string} name @param {On} on @returns {Promise<Source>} */
async function openBlob(blob, name, on) {
  const read = readBlob(blob);
  const format = await identify(read).catch((error) => {
    const text = "It is a folder, or was moved or changed. Open the file again.";
    throw new Problem("source-unreadable", String(error.message ?? error), text);
  });
  if (format.kind === "image" || blob.type.startsWith("image/") || !blob.size) {
    if (!format.animation) return Still.open(blob, name, format);
    if ("ImageDecoder" in globalThis) {
      const animation = await Animation.open(blob, name, format, on);
      if (animation) return animation;
    } else on.reduced(`In this browser, only the first frame of ${format.name} files is shown.`);
    return Still.open(blob, name, format);
  }
  return Video.open(URL.createObjectURL(blob), name, on, read);
}

/** @param {string} address */
function parse(address) {
  try {
    return new URL(address, document.baseURI);
  } catch {
    throw new Problem("source-missing", address);
  }
}
