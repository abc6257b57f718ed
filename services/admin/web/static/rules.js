"use strict";
// A file is tried on the text as it stands: its first bytes are sent, behind the text.
(() => {
  const MOST = 7 << 20;
  let shown = null;
  const headers = () => ({ ...JSON.parse(document.body.getAttribute("hx-headers")), "HX-Request": "true", "Content-Type": "application/octet-stream" });
  const send = async (zone, file) => {
    if (!file) return;
    shown = file;
    const text = new TextEncoder().encode(document.getElementById("text")?.value ?? "");
    const target = document.getElementById("tried");
    const asked = new URLSearchParams({ text_bytes: text.length, calling_aet: document.getElementById("calling")?.value ?? "" });
    target.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(`${zone.dataset.try}?${asked}`, { method: "POST", headers: headers(), body: new Blob([text, file.slice(0, MOST)]) });
      if (answer.headers.get("HX-Redirect")) location.assign(answer.headers.get("HX-Redirect"));
      target.innerHTML = await answer.text(); // made and escaped by our own templates
    } catch {
      target.textContent = "The gateway does not answer: try again.";
    } finally {
      target.removeAttribute("aria-busy");
    }
  };
  // A file as a test case, under the name that stands in the form.
  const add = async (zone, file) => {
    const form = zone.closest("form");
    if (!file || !form.elements.name.reportValidity() || !form.elements.expected.reportValidity()) return;
    const asked = new URLSearchParams(["name", "expected", "comment"].map((name) => [name, form.elements[name].value]));
    const answer = await fetch(`${zone.dataset.add}?${asked}`, { method: "POST", headers: headers(), body: file.slice(0, MOST) });
    const next = answer.headers.get("HX-Redirect");
    if (next) location.assign(next);
    else document.getElementById("messages").insertAdjacentHTML("beforeend", await answer.text());
  };
  const taken = (zone, file) => (zone.dataset.add ? add(zone, file) : send(zone, file));
  document.addEventListener("change", (event) => {
    const zone = event.target.closest("[data-try], [data-add]");
    if (zone) taken(zone, event.target.files[0]);
    if (event.target.id === "calling" && shown) send(document.querySelector("[data-try]"), shown);
  });
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      const zone = event.target.closest?.("[data-try], [data-add]");
      if (!zone || !event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      zone.classList.toggle("over", kind === "dragover");
      if (kind === "drop") taken(zone, event.dataTransfer.files[0]);
    });
  }
})();
// Who leaves with a text that is not saved is asked.
(() => {
  let saved = null;
  document.addEventListener("DOMContentLoaded", () => saved = document.getElementById("text")?.value ?? null);
  document.addEventListener("htmx:afterRequest", (event) => {
    const path = event.detail.pathInfo?.requestPath ?? "";
    if (event.detail.successful && path.startsWith("/rules/drafts/")) saved = document.getElementById("text")?.value ?? null;
  });
  window.addEventListener("beforeunload", (event) => {
    const text = document.getElementById("text");
    if (text && saved !== null && text.value !== saved) event.preventDefault();
  });
})();
