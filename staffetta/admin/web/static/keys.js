// Keys: / to search, ? for the list, g and a letter to go to a page, Escape to close what is open beside a list.

const WAIT_MS = 1500;
let wentAt = 0;

function isTyping(target) {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.key === "Escape") {
    const drop = document.querySelector("details.drop[open]");
    if (drop) {
      drop.open = false;
      drop.querySelector("summary").focus();
    } else if (!isTyping(event.target) && !document.querySelector("dialog[open]")) {
      document.querySelector("[data-close]")?.click();
    }
    return;
  }
  if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
  if (event.key === "/") {
    const field = document.querySelector("main [data-search]") ?? document.querySelector("[data-search-all]");
    if (field) {
      event.preventDefault();
      field.focus();
      field.select();
    }
  } else if (event.key === "?") {
    document.querySelector("#keys")?.showModal();
  } else if (event.key === "g") {
    wentAt = Date.now();
  } else if (wentAt && Date.now() - wentAt < WAIT_MS) {
    wentAt = 0;
    document.querySelector(`[data-key="${CSS.escape(event.key)}"]`)?.click();
  }
});
