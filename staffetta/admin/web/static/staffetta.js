// What scripts add to pages that work without them: local times, copying, choosing all, and where the focus goes.

import "./keys.js";
import "./live.js";
import "./passkeys.js";
import { enhance } from "./parts.js";

enhance(document);

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1500);
  });
}

document.querySelector("[aria-invalid=true]")?.focus();
if (!document.querySelector("[aria-invalid=true]")) document.querySelector("[data-focus]")?.focus();

// One panel of the bar is open at a time, and Escape closes it.
const drops = document.querySelectorAll("details.drop");
for (const drop of drops) {
  drop.addEventListener("toggle", () => {
    if (drop.open) drops.forEach((other) => { if (other !== drop) other.open = false; });
  });
}
document.addEventListener("click", (event) => {
  drops.forEach((drop) => { if (!drop.contains(event.target)) drop.open = false; });
});

// A page that is made to be printed says so; a file dropped on a text is chosen in its field of files.
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
for (const text of document.querySelectorAll("[data-drop]")) {
  text.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    document.getElementById(text.dataset.drop).files = event.dataTransfer.files;
    text.form.requestSubmit();
  });
}
