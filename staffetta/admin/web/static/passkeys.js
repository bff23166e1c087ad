// Passkeys: a form that carries what the browser's authenticator answers. Without the interface it stays hidden.

const knows = window.PublicKeyCredential?.parseCreationOptionsFromJSON !== undefined;

for (const form of document.querySelectorAll("[data-passkey]")) {
  if (!knows || !form.dataset.options) continue;
  form.hidden = false;
  document.querySelectorAll("[data-no-passkey]").forEach((words) => { words.hidden = true; });
  form.addEventListener("submit", async (event) => {
    if (form.elements.answer.value) return;
    event.preventDefault();
    const trouble = form.querySelector("[data-error]");
    trouble.hidden = true;
    const options = JSON.parse(form.dataset.options);
    try {
      const made = form.dataset.passkey === "create"
        ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
        : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
      form.elements.answer.value = JSON.stringify(made.toJSON());
      form.submit();
    } catch {
      trouble.hidden = false;
    }
  });
}
