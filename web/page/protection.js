// On a static host the headers that enforce the promise come from a service worker: nothing starts before it is there.
import { watchVersions } from "./versions.js";

// No policy that browsers know stops WebRTC, and this page has no use for it. Workers never had it.
for (const name of ["RTCPeerConnection", "webkitRTCPeerConnection"]) Reflect.deleteProperty(globalThis, name);

/** Where the tab's history remembers how often in a row the page was loaded anew for the service worker's sake. */
const RELOADED = "bodylens-reloaded";

/** How often that may be: one is enough, but for a reload past all caches, after which Chromium may need another. */
const RELOADS = 2;

/** How long the service worker may take, milliseconds. */
const PATIENCE = 60000;

/**
 * Waits until this page is protected. On a static host's first visit it ends in a reload, and then never settles.
 * @param {{worker?: string}} site
 * @returns {Promise<string>} "" where the browser enforces the promise, else a sentence that says why it does not
 */
export async function protect({ worker }) {
  if (!worker) return ""; // the server itself sends the headers
  const { serviceWorker } = navigator;
  if (!serviceWorker) return unprotected("this browser offers no service worker here");
  if (serviceWorker.controller) {
    if (remembered()) remember(0);
    // Looks for a new version, where there is a network.
    void serviceWorker.register(worker).then(watchVersions, () => undefined);
    return "";
  }
  try {
    await activated(await serviceWorker.register(worker));
  } catch (error) {
    return unprotected(error instanceof Error ? error.message : String(error));
  }
  // Without an end it would be for ever: something keeps the worker from this page, or nothing can be remembered here.
  const tried = remembered();
  const over = tried >= RELOADS;
  if (!remember(over ? 0 : tried + 1) || over) return unprotected("the service worker does not reach this page");
  await loaded();
  location.reload();
  return new Promise(() => undefined);
}

/**
 * A reload past all caches goes past the service worker as well, and so does every other that begins before it has ended.
 */
async function loaded() {
  if (document.readyState !== "complete") {
    await new Promise((resolve) => addEventListener("load", resolve, { once: true }));
  }
  await new Promise((resolve) => setTimeout(resolve));
}

/** @param {string} why */
const unprotected = (why) =>
  `Your browser does not enforce here that nothing leaves this device (${why.replace(/\.$/, "")}); ` +
  "bodylens itself still sends nothing.";

/** @param {ServiceWorkerRegistration} registration */
function activated(registration) {
  const { installing, waiting, active } = registration;
  const worker = installing ?? waiting ?? active;
  return /** @type {Promise<void>} */ (
    new Promise((resolve, reject) => {
      const look = () => {
        if (worker?.state === "activated" || registration.active) resolve();
        else if (worker?.state === "redundant") reject(new Error("the service worker could not be installed"));
      };
      worker?.addEventListener("statechange", look);
      setTimeout(() => reject(new Error("the service worker takes too long")), PATIENCE);
      look();
    })
  );
}

const remembered = () => Number(history.state?.[RELOADED] ?? 0);

/**
 * In the history, for a page has another process without isolation than with it, and in Chromium the one reads for long
 * what the other has written to sessionStorage before: a count that was set back long ago. A reload keeps the entry's
 * state, but for the one after which the page is isolated, and so controlled: that ends a loop as well.
 * @param {number} times @returns {boolean} whether it will be remembered
 */
function remember(times) {
  try {
    history.replaceState({ ...history.state, [RELOADED]: times }, "");
  } catch {
    return false; // too often in a row, say some browsers
  }
  return remembered() === times;
}
