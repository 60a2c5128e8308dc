// The promise that nothing leaves this device, and what shows that it is kept.

/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** Wires the badge and its dialog. */
export function startPrivacy() {
  const dialog = /** @type {HTMLDialogElement} */ (element("privacy"));
  /** @type {Set<string>} */
  const blocked = new Set();

  const show = () => {
    const requests = performance.getEntriesByType("resource").map(({ name }) => new URL(name, document.baseURI));
    const own = requests.filter(({ origin }) => origin === location.origin || origin === "null");
    const others = requests.length - own.length;
    element("privacy-requests").textContent =
      `This page made ${requests.length} requests so far, ${others ? `${others} of them elsewhere` : `all of them to ${location.host}`}, ` +
      "and only to load the program. Your browser's network panel shows the same, and the workers' as well.";
    element("privacy-blocked").textContent = blocked.size
      ? `It refused ${blocked.size === 1 ? "one attempt" : `${blocked.size} attempts`}: ${[...blocked].join(", ")}.`
      : "So far nothing has tried.";
    element("privacy-online").textContent = navigator.onLine
      ? "Switch your network off while the picture is running: it goes on."
      : "Your network is off right now, and the picture goes on.";
    element("privacy-badge").textContent = blocked.size
      ? "Private: an attempt to connect was refused"
      : navigator.onLine
        ? "Private: nothing left this device"
        : "Private, and offline";
  };

  document.addEventListener("securitypolicyviolation", ({ blockedURI, effectiveDirective }) => {
    blocked.add(`${effectiveDirective} ${blockedURI}`);
    show();
  });
  addEventListener("online", show);
  addEventListener("offline", show);
  element("privacy-open").addEventListener("click", () => {
    show();
    dialog.showModal();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside the text
  });
  show();
  element("privacy-open").hidden = false;
}
