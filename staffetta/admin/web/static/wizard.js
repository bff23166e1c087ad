// What scripts add to the wizard: each value is looked at while it is typed, Enter adds to a list, cards are printed.

const PAUSE = 400;

// Nothing where the relay cannot be reached: whether the value is right is then said at the next step.
function ask(query) {
  return fetch(`/connectors/check?${query}`, { credentials: "same-origin" }).catch(() => null);
}

function look(field) {
  const findings = field.closest(".field").querySelector("[data-findings]");
  let waits = 0, asked = 0;
  field.addEventListener("input", () => {
    clearTimeout(waits);
    waits = setTimeout(async () => {
      const mine = ++asked;
      const query = new URLSearchParams({ name: field.dataset.check, value: field.value, identity: field.form.dataset.identity ?? "" });
      const answer = field.value.trim() ? await ask(query) : null;
      const text = answer && answer.ok && !answer.redirected ? await answer.text() : "";
      if (mine === asked) findings.innerHTML = text;
    }, PAUSE);
  });
}

for (const field of document.querySelectorAll("[data-check]")) look(field);

for (const field of document.querySelectorAll("[data-add]")) {
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !field.value.trim()) return;
    event.preventDefault();
    field.form.requestSubmit(field.parentElement.querySelector("button"));
  });
}

// Whoever types into one of several choices has chosen it.
for (const group of document.querySelectorAll("[data-choice]")) {
  const [name, value] = group.dataset.choice.split("=");
  const radio = group.querySelector(`input[type=radio][name="${name}"][value="${value}"]`);
  for (const field of group.querySelectorAll("input[type=text], select")) {
    field.addEventListener("input", () => { radio.checked = true; });
  }
}

// From and To follow the need, and stand for themselves once they are touched.
const touched = document.querySelectorAll("#field-From, #field-To");
for (const select of touched) {
  select.addEventListener("change", () => {
    const own = document.querySelector('input[name="Need"][value=""]');
    if (own) own.checked = true;
  });
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}
