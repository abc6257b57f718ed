"use strict";
// One stream of events for the page that is looked at; parts of it ask again on hx-trigger="live:TOPIC".
(() => {
  const source = document.body.dataset.live;
  const topics = ["storage", "routing", "commitment", "config", "audit", "query", "index", "dead_letter", "tick"];
  const AGAIN_MILLISECONDS = 15000, LATE_MILLISECONDS = 6000; // a stream that ends is back before people are told
  let late = 0;
  let stream = null;
  const parts = (topic) => document.querySelectorAll(`[hx-trigger*="live:${topic}"]`);
  const firstTopic = (part) => part.getAttribute("hx-trigger").match(/live:(\w+)/)[1];
  // A part in which somebody writes, has a menu open or waits for the answer of a button, is not taken away from under him.
  const inUse = (part) => document.querySelector("dialog[open]") !== null || part.querySelector(".htmx-request, details.menu[open], input[name=job]:checked, input[name=letter]:checked, #asked > *") !== null
    || (part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea"));
  const ask = (part, topic) => {
    if (inUse(part)) part.dataset.stale = topic;
    else htmx.trigger(part, `live:${topic}`);
  };
  const tell = (topic) => { for (const part of parts(topic)) ask(part, topic); };
  document.addEventListener("htmx:beforeSwap", (event) => {
    const part = event.detail.target;
    if (!part.matches('[hx-trigger*="live:"]') || event.detail.requestConfig.elt !== part || !inUse(part)) return;
    event.detail.shouldSwap = false;
    part.dataset.stale = firstTopic(part);
  });
  // What parts of the page could not ask is told once, above it, for as long as that lasts.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!event.detail.requestConfig.elt.matches('[hx-trigger*="live:"]')) return;
    document.documentElement.toggleAttribute("data-unanswered", event.detail.xhr.status >= 500);
    if (event.detail.xhr.status >= 500) event.detail.shouldSwap = false;
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
      if (document.documentElement.dataset.live === "off") for (const part of parts("")) ask(part, firstTopic(part)); // what was missed
      document.documentElement.dataset.live = "on";
      clearTimeout(late);
      delete document.documentElement.dataset.late;
    });
    stream.addEventListener("error", () => {
      if (document.documentElement.dataset.live !== "off") late = setTimeout(() => document.documentElement.dataset.late = "", LATE_MILLISECONDS);
      document.documentElement.dataset.live = "off";
      if (stream?.readyState !== EventSource.CLOSED) return; // it tries again by itself
      stream = null;
      setTimeout(listen, AGAIN_MILLISECONDS);
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
// One box ticks all of a list.
document.addEventListener("change", (event) => {
  const name = event.target.dataset?.allOf;
  if (name) for (const box of document.querySelectorAll(`input[name="${name}"]`)) box.checked = event.target.checked;
});
// The address names what is looked for, and nothing else: it is kept and handed on.
document.addEventListener("htmx:configRequest", (event) => {
  if (event.detail.verb !== "get" || !event.detail.elt.matches("form[role=search]")) return;
  for (const [name, value] of Object.entries(event.detail.parameters)) if (value === "") delete event.detail.parameters[name];
});
// What is asked for in a menu and shown beside it is not covered by the menu.
document.addEventListener("htmx:afterRequest", (event) => {
  const menu = event.detail.elt.closest("details.menu[open]");
  if (!menu || !event.detail.successful || !event.detail.elt.hasAttribute("hx-target") || menu.contains(event.detail.target)) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
// What is told in passing goes away by itself; what went wrong stays. An action that leads to another page is told there.
(() => {
  const LEAVES_MILLISECONDS = 8000;
  let pressed = null;
  document.addEventListener("click", (event) => { pressed = event.target.closest("button:not([data-dismiss])") ?? pressed; }, true);
  // A message never covers the button that was pressed: it is above then.
  const aside = () => {
    const messages = document.getElementById("messages");
    messages.classList.remove("above");
    if (!pressed?.isConnected || !messages.firstElementChild) return;
    const told = messages.getBoundingClientRect(), button = pressed.getBoundingClientRect();
    messages.classList.toggle("above", told.top < button.bottom && told.bottom > button.top && told.left < button.right && told.right > button.left);
  };
  // Fields that a refusal names by their labels are marked until they are sent again.
  const mark = (form, text) => {
    for (const label of form.querySelectorAll("label[for]")) {
      const wrong = text.includes(`: ${label.textContent.trim()} `) || text.includes(`(${label.textContent.trim()})`);
      if (wrong) document.getElementById(label.htmlFor).setAttribute("aria-invalid", "true");
    }
    form.querySelector("[aria-invalid]")?.focus();
  };
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.matches("form")) for (const field of event.detail.elt.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  });
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.elt.matches("form")) mark(event.detail.elt, event.detail.xhr.responseText);
  });
  const pass = () => {
    aside();
    for (const told of document.querySelectorAll("#messages .message:not(.bad):not([data-seen])")) {
      told.dataset.seen = "";
      setTimeout(() => told.remove(), LEAVES_MILLISECONDS);
    }
  };
  const tell = (markup) => { document.getElementById("messages").insertAdjacentHTML("beforeend", markup); pass(); };
  document.addEventListener("htmx:afterSettle", pass);
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const answer = event.detail.xhr;
    if (answer.getResponseHeader("HX-Redirect") && answer.responseText) sessionStorage.setItem("told", answer.responseText);
  });
  document.addEventListener("DOMContentLoaded", () => {
    const markup = sessionStorage.getItem("told");
    sessionStorage.removeItem("told");
    if (markup) tell(markup);
    document.querySelector(".top nav a[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  });
  document.addEventListener("htmx:sendError", (event) => {
    if (event.detail.elt.matches('[hx-trigger*="live:"]')) return; // that it is not live is told above the page
    tell('<div class="message bad">The gateway does not answer: try again once it does. <button class="quiet" data-dismiss aria-label="Dismiss">×</button></div>');
  });
})();
// Tables that are wider than the window are reached and moved by the keyboard too.
(() => {
  const reach = () => {
    for (const table of document.querySelectorAll(".scroll")) {
      const wide = table.scrollWidth > table.clientWidth && table.querySelector("a, button, input, select, summary") === null;
      if (wide) table.tabIndex = 0; else table.removeAttribute("tabindex");
    }
  };
  for (const event of ["DOMContentLoaded", "htmx:afterSwap", "htmx:afterSettle"]) document.addEventListener(event, reach);
  for (const event of ["load", "resize"]) window.addEventListener(event, reach);
})();
