// Times in the browser's zone; their titles say UTC.

export function localize(part) {
  const language = document.documentElement.lang;
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
}
