// A part of the page that the server sends again as it changes. What somebody is using there waits until he has left it.

import { enhance } from "./parts.js";

const inUse = "input:checked, details[open]";

for (const part of document.querySelectorAll("[data-live]")) {
  const source = new EventSource(part.dataset.live);
  let latest = null;

  const show = () => {
    if (latest === null) return;
    part.toggleAttribute("data-waits", part.contains(document.activeElement) || part.querySelector(inUse) !== null);
    if (part.hasAttribute("data-waits")) return;
    part.innerHTML = latest;
    latest = null;
    enhance(part);
  };
  const tell = (isLive) => {
    document.querySelectorAll("[data-live-on]").forEach((each) => { each.hidden = !isLive; });
    document.querySelectorAll("[data-live-off]").forEach((each) => { each.hidden = isLive; });
  };

  source.addEventListener("part", (event) => {
    latest = event.data;
    tell(true);
    show();
  });
  source.addEventListener("end", () => {
    source.close();
    tell(false);
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) tell(false);
  });
  for (const name of ["focusout", "change", "toggle"]) {
    part.addEventListener(name, () => requestAnimationFrame(show), true);
  }
  window.addEventListener("pagehide", () => source.close());
}
