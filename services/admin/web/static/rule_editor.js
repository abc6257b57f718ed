"use strict";
// The editor of a draft: numbers of lines, the way to a line or field that a fault is about, and the builder.
const text = () => document.getElementById("text");
const builder = () => document.getElementById("builder");
// Numbers beside the lines; those with a fault are marked.
const numbered = () => {
  const gutter = document.getElementById("lines");
  const area = text();
  if (!gutter || !area) return;
  const bad = new Map();
  for (const each of document.querySelectorAll("#findings [data-line]")) bad.set(Number(each.dataset.line), each.closest("li"));
  const count = area.value.split("\n").length;
  const wanted = `${count} ${[...bad.keys()].join()}`;
  if (gutter.dataset.shown !== wanted) {
    gutter.dataset.shown = wanted;
    const rows = Array.from({ length: count }, (_, n) => {
      const row = document.createElement("span");
      row.textContent = n + 1;
      if (bad.has(n + 1)) row.className = bad.get(n + 1).classList.contains("bad") ? "bad" : "warn";
      return row;
    });
    gutter.replaceChildren(...rows);
  }
  gutter.scrollTop = area.scrollTop;
};
document.addEventListener("scroll", (event) => { if (event.target === text()) document.getElementById("lines").scrollTop = text().scrollTop; }, true);
document.addEventListener("input", (event) => { if (event.target === text()) numbered(); });
// To a line of the text.
const show = (number) => {
  const area = text();
  const before = area.value.split("\n").slice(0, number - 1);
  const start = before.reduce((sum, line) => sum + line.length + 1, 0);
  const end = area.value.indexOf("\n", start);
  area.focus();
  area.setSelectionRange(start, end < 0 ? area.value.length : end);
  area.scrollTop = Math.max(0, (before.length - 5) * (area.scrollHeight / area.value.split("\n").length));
  area.scrollLeft = 0;
};
// Faults stand at their fields, too: at the field itself, or at what it is a part of.
const lineOf = (rule) => {
  const all = [...document.querySelectorAll("#builder li[data-position]")];
  const number = /^rule (\d+) \(/.exec(rule);
  return all.find((each) => each.dataset.name === rule) ?? (number ? all[Number(number[1]) - 1] : undefined);
};
const partOf = (line, field) => {
  const around = [...line.querySelectorAll("[data-field]")].filter((each) => field === each.dataset.field || (field.startsWith(each.dataset.field) && ".[".includes(field[each.dataset.field.length])));
  return around.sort((one, other) => other.dataset.field.length - one.dataset.field.length)[0];
};
// What is new is empty at first: that is no fault before somebody has been there. Fields by rule and name.
const untouched = new Set();
const named = (input) => `${input.closest("li[data-position]")?.dataset.position} ${input.name}`;
const isUntouched = (part) => [part, ...part.querySelectorAll("input")].some((each) => each.value === "" && untouched.has(named(each)));
const added = (part) => { for (const each of part.querySelectorAll("input:not([type=hidden])")) if (each.value === "") untouched.add(named(each)); };
document.addEventListener("focusout", (event) => {
  const part = event.target.closest?.("#builder .part");
  if (!part) return;
  const left = part.contains(event.relatedTarget) ? [event.target] : part.querySelectorAll("input");
  if ([...left].filter((each) => untouched.delete(named(each))).length) marked();
});
const marked = () => {
  const standing = [];
  for (const each of document.querySelectorAll("#builder .at-fault")) each.remove();
  for (const each of document.querySelectorAll("#builder [aria-invalid]")) { each.removeAttribute("aria-invalid"); each.removeAttribute("aria-describedby"); }
  document.querySelectorAll("#findings li.bad[data-rule]").forEach((fault, n) => {
    const line = lineOf(fault.dataset.rule);
    const part = line && partOf(line, fault.dataset.field);
    if (part && isUntouched(part)) return;
    standing.push(fault);
    if (!line) return;
    if (!line.querySelector(".head .at-fault")) {
      const flag = document.createElement("span");
      flag.className = "flag at-fault";
      flag.textContent = "fault";
      line.querySelector(".head b").after(" ", flag);
    }
    if (!part) return;
    const told = document.createElement("small");
    told.className = "at-fault";
    told.id = `fault-${n}`;
    told.textContent = fault.dataset.cure;
    const input = part.matches("input, select, textarea") ? part : part.querySelector(":scope > input, :scope > select, :scope > textarea");
    input?.setAttribute("aria-invalid", "true");
    input?.setAttribute("aria-describedby", told.id);
    (part.matches("input, select, textarea, label") ? part.closest("label") ?? part.closest("li, div") ?? part : part).append(told);
  });
  // The list of faults may be out of sight; the head of the builder is not.
  const first = document.getElementById("first-fault");
  if (!first) return;
  first.hidden = standing.length === 0;
  if (first.hidden) return;
  first.textContent = `${standing.length} ${standing.length === 1 ? "fault" : "faults"}: ${standing[0]?.dataset.rule}, ${standing[0]?.dataset.field}`;
  first.onclick = () => standing[0].querySelector("[data-to-field]").click();
};
let sought = null;
const seek = () => {
  const line = sought && lineOf(sought.rule);
  if (!line || !line.querySelector("form")) return;
  const part = partOf(line, sought.field) ?? line.querySelector("form");
  sought = null;
  part.scrollIntoView({ block: "center" });
  (part.matches("input, select, textarea") ? part : part.querySelector("input:not([type=hidden]), select, textarea, button"))?.focus();
};
document.addEventListener("click", (event) => {
  const place = event.target.closest("[data-line]");
  if (place && text()) show(Number(place.dataset.line));
  const field = event.target.closest("[data-to-field]");
  const fault = field?.closest("li[data-rule]");
  const line = fault && lineOf(fault.dataset.rule);
  if (!line) return;
  sought = { rule: fault.dataset.rule, field: fault.dataset.field };
  line.querySelector("details").open = true;
  seek();
});
// What the builder changed goes into the text, unless somebody wrote there meanwhile; it can be taken back.
(() => {
  const before = [];
  let sent = null;
  const undo = () => { const button = document.getElementById("undo"); if (button) button.hidden = before.length === 0; };
  const ofText = (event) => /^\/rules\/builder(?!\/form)/.test(event.detail.pathInfo?.requestPath ?? "");
  document.addEventListener("htmx:beforeRequest", (event) => { if (ofText(event)) sent = text()?.value ?? null; });
  document.addEventListener("htmx:afterSwap", (event) => {
    const area = text();
    const rewritten = document.getElementById("rewritten");
    if (!area || !rewritten || !ofText(event)) return;
    const value = rewritten.value;
    rewritten.remove();
    if (area.value !== sent || area.value === value) return;
    before.push(area.value);
    if (before.length > 100) before.shift();
    const top = area.scrollTop;
    area.value = sent = value; // of one answer several parts may tell
    area.scrollTop = top;
    htmx.trigger(area, "rewritten");
    numbered();
  });
  document.addEventListener("click", (event) => {
    if (event.target.id !== "undo" || before.length === 0) return;
    text().value = before.pop();
    text().dispatchEvent(new Event("input", { bubbles: true }));
    htmx.trigger(builder(), "stale");
    undo();
  });
  // While somebody writes in the text, what the builder shows is of before.
  document.addEventListener("input", (event) => { if (event.target === text() && builder()) builder().inert = true; });
  document.addEventListener("htmx:afterRequest", (event) => { if (ofText(event) && !event.detail.successful && builder()) builder().inert = false; });
  document.addEventListener("htmx:afterSettle", (event) => {
    undo();
    if (ofText(event) && builder() && text().value !== sent) htmx.trigger(builder(), "stale");
  });
})();
// Whoever goes on by the keyboard finds the focus where it was, or at what is new; what was open stays so.
(() => {
  let opened = [];
  let pressed = "";
  const openOnes = (part) => [...part.querySelectorAll("details[open]")].map((each) => each.closest("li").dataset.name);
  document.addEventListener("htmx:beforeSwap", (event) => { if (event.detail.target?.id === "builder") opened = openOnes(builder()); });
  document.addEventListener("htmx:oobBeforeSwap", (event) => { if (event.detail.target.matches("#builder li")) opened.push(...openOnes(event.detail.target)); });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("#builder .head button.quiet");
    if (button) pressed = button.textContent;
  });
  const focused = (line) => {
    const { focus, verb } = line.dataset;
    const part = document.getElementById(focus);
    delete line.dataset.focus;
    if (part && ["condition", "group", "step", "window", ""].includes(verb)) added(part);
    const button = (act) => part?.querySelector(`[data-act="${focus.slice(focus.indexOf("-") + 1)}:${act}"]:not(:disabled)`);
    const moved = verb === "up" || verb === "down" || verb === "in";
    const first = verb === "remove" ? null : part?.querySelector("input:not([type=hidden]), select, textarea");
    ((moved ? button(verb) ?? button("up") ?? button("down") : first) ?? part?.querySelector("button:not(:disabled)"))?.focus();
  };
  document.addEventListener("htmx:afterSettle", (event) => {
    if (!builder()) return;
    if (opened.length) {
      for (const line of document.querySelectorAll("#builder li[data-position]")) if (opened.includes(line.dataset.name)) line.querySelector("details").open = true;
      opened = [];
    }
    const line = document.querySelector("#builder li[data-focus]");
    if (line) focused(line);
    const moved = [...document.querySelectorAll("#builder [data-moved]:not(:disabled)")];
    (moved.find((each) => each.textContent === pressed) ?? moved[0])?.focus();
    for (const each of moved) each.removeAttribute("data-moved");
    numbered();
    marked();
    seek();
  });
  document.addEventListener("toggle", (event) => {
    const line = event.target.closest?.("#builder li[data-position]");
    if (line) line.draggable = !event.target.open;
  }, true);
})();
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
