"use strict";
// To the line of a fault, in the text.
document.addEventListener("click", (event) => {
  const place = event.target.closest("[data-line]");
  const text = document.getElementById("text");
  if (!place || !text) return;
  const before = text.value.split("\n").slice(0, Number(place.dataset.line) - 1);
  const start = before.reduce((sum, line) => sum + line.length + 1, 0);
  const end = text.value.indexOf("\n", start);
  text.focus();
  text.setSelectionRange(start, end < 0 ? text.value.length : end);
  const height = text.scrollHeight / text.value.split("\n").length;
  text.scrollTop = Math.max(0, (before.length - 5) * height);
});
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
// What the builder changed goes into the text; who moved a rule by its buttons can go on doing so.
document.addEventListener("htmx:afterSettle", () => {
  const rewritten = document.getElementById("rewritten");
  const text = document.getElementById("text");
  if (!rewritten || !text) return;
  const value = rewritten.value;
  rewritten.remove();
  if (text.value !== value) {
    text.value = value;
    htmx.trigger(text, "rewritten");
  }
  const buttons = [...document.querySelectorAll("#builder [data-focus]:not(:disabled)")];
  (buttons.find((each) => each.textContent === document.body.dataset.moved) ?? buttons[0])?.focus();
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("#builder button.quiet");
  if (button) document.body.dataset.moved = button.textContent;
});
// Rules are dragged to another place.
(() => {
  let dragged = null;
  const over = (event) => (dragged ? event.target.closest?.("#builder li[data-position]") : null);
  document.addEventListener("dragstart", (event) => {
    const rule = event.target.closest?.("#builder li[data-position]");
    if (!rule || event.target !== rule) return;
    dragged = rule;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", "");
    rule.classList.add("dragged");
  });
  document.addEventListener("dragover", (event) => {
    const rule = over(event);
    for (const each of document.querySelectorAll("#builder li.target")) each.classList.toggle("target", each === rule);
    if (!rule) return;
    event.preventDefault();
    rule.classList.add("target");
  });
  document.addEventListener("drop", (event) => {
    const rule = over(event);
    if (!rule || rule === dragged) return;
    event.preventDefault();
    const form = document.getElementById("move");
    form.elements.position.value = dragged.dataset.position;
    form.elements.to.value = rule.dataset.position;
    htmx.trigger(form, "submit");
  });
  document.addEventListener("dragend", () => {
    for (const each of document.querySelectorAll("#builder li")) each.classList.remove("dragged", "target");
    dragged = null;
  });
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
