"use strict";
// Files are sent one request each, a few at a time; each has a row that tells how far it is and what became of it.
document.addEventListener("DOMContentLoaded", () => {
  const part = document.querySelector("[data-import]");
  if (!part) return;
  const AT_ONCE = 3, MOST_FILES = 10000, DEEPEST = 32;
  const table = document.getElementById("imported"), rows = table.querySelector("tbody");
  const calling = document.getElementById("calling"), headers = JSON.parse(document.body.getAttribute("hx-headers"));
  const waiting = [];
  let busy = 0;
  const row = (name) => {
    const made = rows.insertRow(-1);
    for (const text of [marked(name), calling.value ? "waits" : "waits: choose the station", "", "", "", ""]) made.insertCell().textContent = text;
    made.cells[2].className = made.cells[3].className = "number";
    return made;
  };
  // Names may have characters that nobody sees, and that reorder what is around them.
  const marked = (text) => text.replace(/[\p{Cc}\p{Cf}]/gu, (found) => `\\u${found.codePointAt(0).toString(16).padStart(4, "0")}`);
  const state = (shown, text, tone) => {
    const told = document.createElement("span");
    told.className = `state ${tone}`;
    told.textContent = text;
    shown.cells[1].replaceChildren(told);
  };
  const failed = (shown, why) => { state(shown, "FAILED", "bad"); shown.cells[4].textContent = why; };
  const finished = (shown, done) => {
    const whys = [...done.faults.map((each) => [marked(each.file), each.reason].filter(Boolean).join(": ")),
      ...done.skipped.map((each) => `${each.files} skipped: ${each.reason}`)];
    const taken = done.statuses.filter((each) => /^(0|B)/.test(each.status)).reduce((sum, each) => sum + each.files, 0);
    // Folders and discs hold other files, too.
    const other = done.faults.length && done.faults.every((each) => each.status === null && /^(not DICOM|a DICOMDIR)$/.test(each.reason));
    if (other && shown.cells[0].textContent.includes("/")) state(shown, "SKIPPED", "off");
    else if (done.not_taken || !taken) state(shown, taken ? "IN PART" : "FAILED", taken ? "warn" : "bad");
    else state(shown, "TAKEN", "good");
    shown.cells[2].textContent = taken;
    shown.cells[3].textContent = done.not_taken;
    shown.cells[4].textContent = whys.slice(0, 5).join("; ") + (whys.length > 5 ? "; …" : "");
    const [study, ...others] = done.studies;
    if (!study) return;
    const way = document.createElement("a");
    way.href = `/patients/studies/${encodeURIComponent(study)}`;
    way.textContent = others.length ? `First of ${done.studies.length} studies` : "Study";
    shown.cells[5].append(way);
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
  const readable = async (file) => {
    try { await file.slice(0, 1).arrayBuffer(); return true; } catch { return false; }
  };
  const sendReadable = async (file, shown) => {
    if (await readable(file)) await send(file, shown);
    else failed(shown, "the browser cannot read it");
  };
  const next = () => {
    while (calling.value && busy < AT_ONCE && waiting.length) {
      const [file, shown] = waiting.shift();
      if (file.size > Number(part.dataset.most)) { failed(shown, `larger than ${part.dataset.most} bytes: use "gateway import"`); continue; }
      busy += 1;
      sendReadable(file, shown).then(() => { busy -= 1; next(); });
    }
  };
  // ``found``: pairs of a file and its path.
  const taken = (found) => {
    table.hidden = false;
    for (const [file, path] of found.slice(0, MOST_FILES)) waiting.push([file, row(path)]);
    if (found.length > MOST_FILES) failed(row("further files"), `more than ${MOST_FILES} at a time: use "gateway import"`);
    if (!found.length) failed(row("folder"), "it has no files");
    if (!calling.value) calling.focus();
    next();
  };
  // What was dropped with all that is below it, up to one file more than is taken.
  const below = async (entry, found, depth) => {
    const path = entry.fullPath.replace(/^\//, "");
    try {
      if (entry.isFile) found.push([await new Promise((told, refused) => entry.file(told, refused)), path]);
      else if (depth === DEEPEST) failed(row(path), `deeper than ${DEEPEST} folders: use "gateway import"`);
      else {
        const reader = entry.createReader();
        for (let some = null; found.length <= MOST_FILES && some?.length !== 0;) {
          some = await new Promise((told, refused) => reader.readEntries(told, refused)); // a part of them each time
          for (const each of some) if (found.length <= MOST_FILES) await below(each, found, depth + 1);
        }
      }
    } catch { failed(row(path), "the browser cannot read it"); }
  };
  const dropped = async (data) => {
    const entries = [...data.items].map((each) => each.webkitGetAsEntry?.()).filter(Boolean);
    if (!entries.length) return taken([...data.files].map((file) => [file, file.name]));
    table.hidden = false;
    const found = [];
    for (const each of entries) await below(each, found, 0);
    return taken(found);
  };
  part.addEventListener("change", (event) => {
    if (event.target === calling) {
      for (const [, shown] of waiting) shown.cells[1].textContent = "waits";
      next();
    } else if (event.target.type === "file" && event.target.files.length) {
      taken([...event.target.files].map((file) => [file, file.webkitRelativePath || file.name]));
      event.target.value = "";
    }
  });
  const zone = part.querySelector(".drop");
  for (const kind of ["dragover", "dragleave", "drop"]) {
    zone.addEventListener(kind, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      zone.classList.toggle("over", kind === "dragover");
      if (kind === "drop") dropped(event.dataTransfer);
    });
  }
  window.addEventListener("beforeunload", (event) => { if (busy || waiting.length) event.preventDefault(); });
});
