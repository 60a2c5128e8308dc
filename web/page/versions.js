// A new version of the site: installed beside the one that runs, and used when a person says so.

/** How often a page that stays open looks for one, milliseconds. */
const OFTEN = 3600e3;

/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/**
 * Says so when a new version is ready. It takes over when it is asked for, or once all tabs of this site were closed.
 * @param {ServiceWorkerRegistration} registration
 */
export function watchVersions(registration) {
  const { serviceWorker } = navigator;
  const button = /** @type {HTMLButtonElement} */ (element("new-version-use"));
  let asked = false;
  /** @param {string} text */
  const say = (text) => {
    element("new-version-text").textContent = text;
    element("new-version").hidden = false;
  };
  const look = () => {
    if (registration.waiting) say("A new version is ready. Using it loads this page anew; your settings stay.");
  };
  registration.addEventListener("updatefound", () => registration.installing?.addEventListener("statechange", look));
  look();
  button.addEventListener("click", () => {
    asked = true;
    button.disabled = true;
    // The page loads anew when the new one has taken over, or at once where another tab has asked before.
    if (registration.waiting) registration.waiting.postMessage("use");
    else location.reload();
  });
  serviceWorker.addEventListener("controllerchange", () => {
    if (asked) location.reload();
    else say("Another tab uses a new version; this one goes on with the one before.");
  });
  let looked = performance.now();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || performance.now() - looked < OFTEN) return;
    looked = performance.now();
    void registration.update().catch(() => undefined); // no network
  });
  // What the version before left behind is cleaned now that this page needs none of it.
  serviceWorker.controller?.postMessage("clean");
}
