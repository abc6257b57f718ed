"use strict";
// Jobs that are ticked are counted; a question about them goes away with its answer.
(() => {
  const boxes = () => [...document.querySelectorAll('#jobs input[name="job"]')];
  const count = () => {
    const told = document.querySelector("[data-count]");
    if (!told) return;
    const number = boxes().filter((box) => box.checked).length;
    told.textContent = document.querySelector('[name="everything"]:checked') ? "All that the filter finds" : number ? `${number} chosen` : "Nothing chosen";
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-all]")) for (const box of boxes()) box.checked = event.target.checked;
    if (event.target.closest("#jobs, #bulk")) count();
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id !== "asked") return;
    for (const menu of document.querySelectorAll("#bulk details[open]")) menu.open = false;
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-dismiss-note]")) document.getElementById("asked").replaceChildren();
  });
  document.addEventListener("jobs-changed", () => {
    document.getElementById("asked").replaceChildren();
    for (const box of document.querySelectorAll('#jobs input:checked, [name="everything"]:checked')) box.checked = false;
    count();
  });
})();
