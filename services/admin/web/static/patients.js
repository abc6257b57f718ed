"use strict";
// The tree of studies, series and instances: rows open and close, what is chosen is counted and kept.
(() => {
  const chosen = (part) => part.querySelectorAll('input[name="uid"]:checked').length;
  const count = (part) => {
    const told = part?.querySelector("[data-count]");
    if (!told) return;
    const number = chosen(part);
    told.textContent = number ? `${number} chosen` : "Nothing chosen";
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-expands]");
    if (!button) return;
    const row = document.getElementById(button.dataset.expands);
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    row.hidden = open;
  });
  document.addEventListener("change", (event) => {
    const part = event.target.closest("#found");
    if (!part) return;
    if (event.target.matches("[data-all]")) {
      for (const box of part.querySelectorAll('input[name="uid"]')) {
        if (!box.closest(".inner")) box.checked = event.target.checked;
      }
    }
    count(part);
  });
  // What somebody opened or chose is not taken away from under him.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const part = event.detail.elt;
    if (!part.matches("[data-keeps]")) return;
    if (part.querySelector('input[name="uid"]:checked, [aria-expanded="true"], details[open]')) event.preventDefault();
  });
})();
