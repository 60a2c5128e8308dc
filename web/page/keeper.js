// Keeps what a visit used for one without a network, where the site comes from a server on another machine.

/** On the server's own machine the server can be started again, and what was edited is to be seen. */
const OWN = ["localhost", "127.0.0.1", "[::1]"];

/**
 * Has a service worker keep the page and what it used; `<html data-kept>` then says "yes".
 * @param {{keeper?: string}} site
 * @param {string[]} used addresses
 * @returns {Promise<boolean>} whether all is kept
 */
export async function keepUsed({ keeper }, used) {
  const { serviceWorker } = navigator;
  if (!keeper || !serviceWorker || OWN.includes(location.hostname)) return false;
  try {
    await serviceWorker.register(keeper);
    const { active } = await serviceWorker.ready;
    const heard = new AbortController();
    const answered = new Promise((resolve) => {
      const hear = (/** @type {MessageEvent} */ { data }) => void ("kept" in data && resolve(data.kept));
      serviceWorker.addEventListener("message", hear, heard);
    });
    serviceWorker.startMessages();
    active?.postMessage({ keep: used });
    const kept = await answered;
    heard.abort();
    if (!kept) return false;
  } catch {
    return false; // a certificate that the browser does not trust, or no room: the page works as before
  }
  document.documentElement.dataset.kept = "yes";
  return true;
}

/**
 * Has the service worker of a static site keep what of Python this visit did not need: a later one without a network may.
 * @param {{worker?: string, later: string[]}} site
 * @returns {Promise<boolean>} whether there was something to do, and it is done
 */
export async function keepLater({ worker, later }) {
  if (!worker || !navigator.serviceWorker?.controller || navigator.connection?.saveData) return false;
  if (document.documentElement.dataset.kept) return false;
  try {
    for (const address of later) {
      const response = await fetch(address, { priority: "low" });
      await response.body?.cancel();
      if (!response.ok) return false;
    }
  } catch {
    return false; // no network, or no room: it is loaded when it is needed
  }
  document.documentElement.dataset.kept = "yes";
  return true;
}
