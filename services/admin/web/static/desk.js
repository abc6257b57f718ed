"use strict";
// One stream of events for the page that is looked at; parts of it ask again on hx-trigger="live:TOPIC".
(() => {
  const source = document.body.dataset.live;
  const topics = ["storage", "routing", "commitment", "config", "audit", "query", "index", "tick"];
  let stream = null;
  const parts = (topic) => document.querySelectorAll(`[hx-trigger*="live:${topic}"]`);
  // A part in which somebody writes, has a menu open or waits for the answer of a button, is not taken away from under him.
  const inUse = (part) => document.querySelector("dialog[open]") !== null || part.querySelector(".htmx-request, details.menu[open], input[name=job]:checked, #asked > *") !== null
    || (part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea"));
  const tell = (topic) => {
    for (const part of parts(topic)) {
      if (inUse(part)) part.dataset.stale = topic;
      else htmx.trigger(part, `live:${topic}`);
    }
  };
  document.addEventListener("htmx:beforeSwap", (event) => {
    const part = event.detail.target;
    if (!part.matches('[hx-trigger*="live:"]') || event.detail.requestConfig.elt !== part || !inUse(part)) return;
    event.detail.shouldSwap = false;
    part.dataset.stale = part.getAttribute("hx-trigger").match(/live:(\w+)/)[1];
  });
  document.addEventListener("htmx:afterRequest", () => setTimeout(() => {
    for (const part of document.querySelectorAll("[data-stale]")) {
      if (inUse(part)) continue;
      const topic = part.dataset.stale;
      delete part.dataset.stale;
      htmx.trigger(part, `live:${topic}`);
    }
  }));
  const listen = () => {
    if (document.hidden) { stream?.close(); stream = null; return; }
    if (stream !== null || source === undefined) return;
    stream = new EventSource(source);
    for (const topic of topics) stream.addEventListener(topic, () => tell(topic));
    stream.addEventListener("open", () => {
      if (document.documentElement.dataset.live === "off") topics.forEach(tell); // what was missed meanwhile
      document.documentElement.dataset.live = "on";
    });
    stream.addEventListener("error", () => {
      document.documentElement.dataset.live = "off";
      if (stream?.readyState !== EventSource.CLOSED) return; // it tries again by itself
      stream = null;
      setTimeout(listen, 15000);
    });
    tell("tick");
  };
  document.addEventListener("visibilitychange", listen);
  document.addEventListener("DOMContentLoaded", listen);
  window.addEventListener("pagehide", () => { stream?.close(); stream = null; });
})();
// Questions in a dialog of the page instead of the browser's.
document.addEventListener("htmx:confirm", (event) => {
  if (!event.detail.question) return;
  event.preventDefault();
  const dialog = document.getElementById("confirm");
  dialog.querySelector("p").textContent = event.detail.question;
  dialog.returnValue = "no";
  dialog.onclose = () => { if (dialog.returnValue === "yes") event.detail.issueRequest(true); };
  dialog.showModal();
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  const dialog = button?.closest("dialog#confirm");
  if (dialog) dialog.close(button.value);
  if (button?.matches("[data-dismiss]")) button.parentElement.remove();
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) { menu.open = false; menu.querySelector("summary").focus(); }
});
// What is told in passing goes away by itself; what went wrong stays.
document.addEventListener("htmx:afterSettle", () => {
  for (const told of document.querySelectorAll("#messages .message:not(.bad):not([data-seen])")) {
    told.dataset.seen = "";
    setTimeout(() => told.remove(), 8000);
  }
});
// Tables that are wider than the window are reached and moved by the keyboard too.
(() => {
  const reach = () => {
    for (const table of document.querySelectorAll(".scroll")) {
      const wide = table.scrollWidth > table.clientWidth && table.querySelector("a, button, input, select, summary") === null;
      if (wide) table.tabIndex = 0; else table.removeAttribute("tabindex");
    }
  };
  for (const event of ["DOMContentLoaded", "htmx:afterSettle"]) document.addEventListener(event, reach);
  window.addEventListener("resize", reach);
})();
