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
  // What somebody opened or chose is not taken away from under him, not by an answer that is on its way either.
  const inUse = (part) => part?.matches("[data-keeps]")
    && part.querySelector('input[name="uid"]:checked, [aria-expanded="true"], details[open]') !== null;
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (inUse(event.detail.elt)) event.preventDefault();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (inUse(event.detail.requestConfig?.elt)) event.detail.shouldSwap = false;
  });
})();

// Frames are asked for when they are due, one ahead while they play, and kept while the page is open.
document.addEventListener("DOMContentLoaded", () => {
  const viewer = document.querySelector("[data-viewer]");
  const slider = viewer?.querySelector("[data-frame]");
  if (!slider) return;
  const shown = viewer.querySelector("img"), told = viewer.querySelector("output");
  const play = viewer.querySelector("[data-play]"), rate = viewer.querySelector("[data-rate]");
  const frames = Number(viewer.dataset.frames), kept = new Map();
  let playing = false, wanted = 1;
  const load = (frame) => {
    if (!kept.has(frame)) {
      const image = new Image();
      image.src = viewer.dataset.source + frame;
      kept.set(frame, image.decode().then(() => image, () => image));
    }
    return kept.get(frame);
  };
  const show = async (frame) => {
    wanted = frame;
    const image = await load(frame);
    if (wanted !== frame) return;
    shown.src = image.src;
    shown.alt = `Frame ${frame} of ${frames}`;
    slider.value = String(frame);
    told.textContent = `${frame}/${frames}`;
  };
  const step = async () => {
    while (playing) {
      const due = new Promise((resolve) => setTimeout(resolve, 1000 / Number(rate.value)));
      const next = wanted % frames + 1;
      load(next % frames + 1);
      await Promise.all([show(next), due]);
    }
  };
  slider.addEventListener("input", () => show(Number(slider.value)));
  play.addEventListener("click", () => {
    playing = !playing;
    play.setAttribute("aria-pressed", String(playing));
    play.textContent = playing ? "Pause" : "Play";
    if (playing) step();
  });
});
