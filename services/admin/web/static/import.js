"use strict";
// Files are sent one request each, a few at a time; each has a row that tells how far it is and what became of it.
document.addEventListener("DOMContentLoaded", () => {
  const part = document.querySelector("[data-import]");
  if (!part) return;
  const AT_ONCE = 3;
  const table = document.getElementById("imported"), rows = table.querySelector("tbody");
  const calling = document.getElementById("calling"), headers = JSON.parse(document.body.getAttribute("hx-headers"));
  const waiting = [];
  let busy = 0;
  const row = (file) => {
    const made = rows.insertRow(-1);
    for (const text of [file.name, "waits", "", "", ""]) made.insertCell().textContent = text;
    made.cells[2].className = made.cells[3].className = "number";
    return made;
  };
  const state = (shown, text, tone) => {
    const told = document.createElement("span");
    told.className = `state ${tone}`;
    told.textContent = text;
    shown.cells[1].replaceChildren(told);
  };
  const failed = (shown, why) => { state(shown, "FAILED", "bad"); shown.cells[4].textContent = why; };
  const finished = (shown, done) => {
    const whys = [...done.faults.map((each) => [each.file, each.reason].filter(Boolean).join(": ")),
      ...done.skipped.map((each) => `${each.files} skipped: ${each.reason}`)];
    const taken = done.statuses.filter((each) => /^(0|B)/.test(each.status)).reduce((sum, each) => sum + each.files, 0);
    if (done.not_taken || !taken) state(shown, taken ? "IN PART" : "FAILED", taken ? "warn" : "bad");
    else state(shown, "TAKEN", "good");
    shown.cells[2].textContent = taken;
    shown.cells[3].textContent = done.not_taken;
    shown.cells[4].textContent = whys.slice(0, 5).join("; ") + (whys.length > 5 ? "; …" : "");
  };
  const send = (file, shown) => new Promise((ended) => {
    const request = new XMLHttpRequest();
    request.open("POST", `${part.dataset.import}?${new URLSearchParams({ calling_aet: calling.value })}`);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.addEventListener("progress", (event) => {
      const share = Math.floor(100 * event.loaded / event.total);
      state(shown, share < 100 ? `${share} % sent` : "checked and stored", "go");
    });
    request.addEventListener("load", () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* told below */ }
      if (request.status === 200) finished(shown, answer);
      else failed(shown, answer.detail ?? `the gateway answered ${request.status}`);
      ended();
    });
    request.addEventListener("error", () => { failed(shown, "the gateway does not answer: try again"); ended(); });
    request.send(file);
  });
  const next = async () => {
    while (busy < AT_ONCE && waiting.length) {
      const [file, shown] = waiting.shift();
      if (file.size > Number(part.dataset.most)) { failed(shown, `larger than ${part.dataset.most} bytes: use "gateway import"`); continue; }
      busy += 1;
      send(file, shown).then(() => { busy -= 1; next(); });
    }
  };
  const taken = (files) => {
    table.hidden = false;
    for (const file of files) waiting.push([file, row(file)]);
    next();
  };
  part.addEventListener("change", (event) => {
    if (event.target.id !== "files") return;
    taken([...event.target.files]);
    event.target.value = "";
  });
  const zone = part.querySelector(".drop");
  for (const kind of ["dragover", "dragleave", "drop"]) {
    zone.addEventListener(kind, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      zone.classList.toggle("over", kind === "dragover");
      if (kind === "drop") taken([...event.dataTransfer.files]);
    });
  }
  window.addEventListener("beforeunload", (event) => { if (busy || waiting.length) event.preventDefault(); });
});
