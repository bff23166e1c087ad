// What scripts add to a part of a page, when the page is loaded and when the part was put in the place of another.

export function enhance(part) {
  // As it is written where the browser is at home, when that speaks the language of the page.
  const spoken = document.documentElement.lang;
  const language = navigator.languages.find((each) => each.split("-")[0] === spoken) ?? spoken;
  // Times in the browser's zone; their titles say UTC.
  for (const time of part.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) {
      time.textContent = at.toLocaleString(language, { dateStyle: "medium", timeStyle: "medium" });
    }
  }
  for (const label of part.querySelectorAll("[data-time]")) {
    const at = new Date(label.dataset.time);
    label.textContent = at.toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit" });
  }
  // Where a chart over time is wider than the page, its end is the present.
  for (const box of part.querySelectorAll("[data-end]")) box.scrollLeft = box.scrollWidth;
  for (const all of part.querySelectorAll("[data-all]")) {
    const ticks = document.querySelectorAll(`input[type=checkbox][form="${all.dataset.all}"]`);
    all.hidden = ticks.length === 0;
    all.addEventListener("change", () => ticks.forEach((tick) => { tick.checked = all.checked; }));
  }
}
