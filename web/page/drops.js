// Files that are dragged onto the page.

/** @param {Element} stage shows that something is over it @param {(file: File) => void} open */
export function listenForDrops({ classList }, open) {
  const over = (/** @type {DragEvent} */ event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    classList.add("dragging");
  };
  document.addEventListener("dragenter", over);
  document.addEventListener("dragover", over);
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) classList.remove("dragging");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    classList.remove("dragging");
    const file = event.dataTransfer?.files[0];
    if (file) open(file);
  });
}
