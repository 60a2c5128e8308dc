// On a static host the headers that enforce the promise come from a service worker: nothing starts before it is there.

/** Remembers, for this tab, that the page was loaded anew for the service worker's sake. */
const RELOADED = "bodylens-reloaded";

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
    remember("");
    // Looks for a new version, where there is a network.
    void serviceWorker.register(worker).then(announce, () => undefined);
    return "";
  }
  try {
    await activated(await serviceWorker.register(worker));
  } catch (error) {
    return unprotected(error instanceof Error ? error.message : String(error));
  }
  // Twice in a row would be for ever: something keeps the worker from this page, or nothing can be remembered here.
  const twice = remembered();
  if (!remember(twice ? "" : "yes") || twice) return unprotected("the service worker does not reach this page");
  location.reload();
  return new Promise(() => undefined);
}

/** Says so when a new version was installed beside this one. @param {ServiceWorkerRegistration} registration */
function announce(registration) {
  const look = () => {
    if (!registration.waiting) return;
    /** @type {HTMLElement} */ (document.getElementById("new-version")).hidden = false;
  };
  registration.addEventListener("updatefound", () => registration.installing?.addEventListener("statechange", look));
  look();
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

function remembered() {
  try {
    return sessionStorage.getItem(RELOADED);
  } catch {
    return null; // storage is switched off
  }
}

/** @param {string} value @returns {boolean} whether it will be remembered */
function remember(value) {
  try {
    sessionStorage.setItem(RELOADED, value);
    return true;
  } catch {
    return false;
  }
}
