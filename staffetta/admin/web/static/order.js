// The order of a list by the mouse: what is dropped is written at once. Buttons do the same without scripts.

for (const form of document.querySelectorAll("[data-order]")) {
  let dragged = null;
  form.addEventListener("dragstart", (event) => {
    dragged = event.target.closest("li");
    event.dataTransfer.effectAllowed = "move";
  });
  form.addEventListener("dragover", (event) => {
    const over = event.target.closest("li");
    if (!dragged || !over) return;
    event.preventDefault();
    if (over === dragged) return;
    const box = over.getBoundingClientRect();
    over.parentElement.insertBefore(dragged, event.clientY < box.top + box.height / 2 ? over : over.nextSibling);
  });
  form.addEventListener("drop", (event) => { event.preventDefault(); if (dragged) form.submit(); });
}
