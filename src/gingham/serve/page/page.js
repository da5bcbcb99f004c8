// Sends images to the service, a few at a time, and shows what it says of them. All that comes from elsewhere, names
// and labels, becomes text nodes; nothing is asked of any other machine.

const AT_ONCE = 4;
const SHOWN = 60;      // cards; more on request
const TOP = 5;         // classes of an image; more on request
const ATTEMPTS = 8;    // of a request that is told to come again
const SIDE = 192;      // pixels of a thumbnail
const IMAGE = /\.(jpe?g|jpe|jfif|mpo|png|apng|webp|bmp|dib|gif|tiff?|avifs?|hei[cf])$/i;

const find = (id) => document.getElementById(id);
const items = [];
let model = null;
let token = sessionStorage.getItem("gingham-token") ?? "";
let shown = SHOWN;
let running = 0;
let stopped = false;

// -- asking ----------------------------------------------------------------------------------------------------------

const headers = () => (token ? { Authorization: `Bearer ${token}` } : {});
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

async function ask(file) {
  for (let attempt = 0; ; attempt++) {
    let answer;
    try {
      answer = await fetch("predict", {
        method: "POST",
        headers: { ...headers(), "Content-Type": "application/octet-stream" },
        body: file,
      });
    } catch {
      if (attempt + 1 >= ATTEMPTS || stopped) throw new Error("The service does not answer.");
      await pause(Math.min(8, 0.5 * 2 ** attempt));
      continue;
    }
    if (answer.status === 503 && attempt + 1 < ATTEMPTS && !stopped) {
      await pause((Number(answer.headers.get("Retry-After")) || 1) * (1 + Math.random()));
      continue;
    }
    const content = await answer.json().catch(() => ({}));
    if (answer.status === 401) {
      lock();
      throw new Error("The token is missing or wrong.");
    }
    if (!answer.ok) throw new Error(content.error?.message ?? `The service answered ${answer.status}.`);
    return content.predictions[0];
  }
}

async function work() {
  running++;
  for (let item; !stopped && (item = items.find((each) => each.state === "waiting")); ) {
    item.state = "asking";
    try {
      if (model && item.file.size > model.limits.max_body) {
        const most = (model.limits.max_body / 2 ** 20).toFixed(0);
        throw new Error(`The file is too large: the service takes at most ${most} MiB.`);
      }
      item.answer = await ask(item.file);
      item.state = "done";
    } catch (error) {
      item.problem = error.message;
      item.state = "failed";
    }
    fill(item);
    report();
  }
  running--;
  report();
}

function start() {
  stopped = false;
  while (running < AT_ONCE && items.filter((each) => each.state === "waiting").length > running) work();
  report();
}

function add(files) {
  for (const file of files) {
    items.push({ file, name: file.webkitRelativePath || file.name || "pasted image", state: "waiting" });
  }
  if (!items.length) return;
  find("drop").classList.add("compact");
  find("outcome").hidden = false;
  draw();
  start();
}

// -- showing ---------------------------------------------------------------------------------------------------------

const percent = (share) => (share < 0.001 ? "< 0.1 %" : `${(100 * share).toFixed(share < 0.9995 ? 1 : 0)} %`);

function element(tag, text, name) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  return made;
}

function doubts(prediction) {
  const found = [];
  if (!prediction.sure) found.push("not sure");
  if (prediction.is_outlier) found.push("unlike the training images");
  return found;
}

function belongs(item) {
  const wanted = find("filter").value;
  if (!wanted) return true;
  if (wanted === "?unreadable") return item.state === "failed";
  if (wanted === "?unsure") return item.state === "done" && doubts(item.answer).length > 0;
  return item.state === "done" && item.answer.label === wanted.slice(1);
}

function draw() {
  const wanted = items.filter(belongs);
  for (const item of wanted.slice(0, shown)) if (!item.card) make(item);
  find("answers").replaceChildren(...wanted.slice(0, shown).map((item) => item.card));
  find("more").hidden = wanted.length <= shown;
  find("more").textContent = `Show more (${wanted.length - shown} left)`;
}

function make(item) {
  item.card = find("card").content.firstElementChild.cloneNode(true);
  const name = item.card.querySelector(".name");
  name.textContent = name.title = item.name;
  thumbnail(item.file, item.card.querySelector("canvas"));
  fill(item);
}

async function thumbnail(file, canvas) {
  try {
    const picture = await createImageBitmap(file);
    const scale = Math.min(SIDE / picture.width, SIDE / picture.height);
    const width = Math.max(1, picture.width * scale);
    const height = Math.max(1, picture.height * scale);
    canvas.getContext("2d").drawImage(picture, (SIDE - width) / 2, (SIDE - height) / 2, width, height);
    picture.close();
  } catch {
    // What the browser cannot show, the service may still read.
  }
}

function fill(item) {
  if (!item.card) return;
  const verdict = item.card.querySelector(".verdict");
  verdict.className = "verdict";
  if (item.state === "failed") {
    verdict.classList.add("none");
    verdict.textContent = item.problem;
    return;
  }
  if (item.state !== "done") {
    verdict.classList.add("waiting");
    verdict.textContent = "waiting";
    return;
  }
  verdict.textContent = item.answer.label;
  item.card.querySelector(".doubts").textContent = doubts(item.answer).join(", ");
  bars(item, TOP);
}

function bars(item, count) {
  const classes = Object.entries(item.answer.probabilities).sort((a, b) => b[1] - a[1]);
  const rows = classes.slice(0, count).flatMap(([label, share]) => {
    const name = element("dt", label);
    name.title = label;
    const meter = element("meter");
    meter.max = 1;
    meter.value = share;
    meter.setAttribute("aria-label", label);
    const cell = element("dd");
    cell.append(meter);
    return [name, cell, element("dd", percent(share), "share")];
  });
  item.card.querySelector(".bars").replaceChildren(...rows);
  const all = item.card.querySelector(".all");
  all.hidden = classes.length <= TOP;
  all.textContent = count > TOP ? "Show fewer" : `Show all ${classes.length} classes`;
  all.onclick = () => bars(item, count > TOP ? TOP : classes.length);
}

function report() {
  const counts = new Map();
  let unsure = 0;
  let failed = 0;
  for (const item of items) {
    if (item.state === "failed") failed++;
    if (item.state !== "done") continue;
    counts.set(item.answer.label, (counts.get(item.answer.label) ?? 0) + 1);
    if (doubts(item.answer).length) unsure++;
  }
  const finished = items.filter((item) => item.state === "done" || item.state === "failed").length;
  const most = [...counts].sort((a, b) => b[1] - a[1]);
  const parts = most.slice(0, 4).map(([label, count]) => `${count} ${label.length > 30 ? `${label.slice(0, 29)}…` : label}`);
  if (most.length > 4) parts.push(`${most.length - 4} other classes`);
  if (unsure) parts.push(`${unsure} doubtful`);
  if (failed) parts.push(`${failed} without an answer`);
  const busy = running > 0;
  const progress = finished < items.length ? `${finished} of ${items.length}` : `${items.length} ${items.length === 1 ? "image" : "images"}`;
  find("status").textContent = [progress, ...parts].join(" · ");
  find("progress").hidden = !busy;
  find("progress").value = items.length ? finished / items.length : 0;
  find("stop").hidden = !busy && finished === items.length;
  find("stop").textContent = busy ? "Stop" : "Go on";
  find("save").disabled = finished === 0;
  options(most, unsure, failed);
}

function options(most, unsure, failed) {
  const wanted = [["", "all"], ...(unsure ? [["?unsure", `doubtful (${unsure})`]] : [])];
  if (failed) wanted.push(["?unreadable", `without an answer (${failed})`]);
  for (const [label, count] of most) wanted.push([`=${label}`, `${label} (${count})`]);
  const filter = find("filter");
  const chosen = filter.value;
  filter.replaceChildren(...wanted.map(([value, text]) => {
    const option = element("option", text);
    option.value = value;
    return option;
  }));
  filter.value = wanted.some(([value]) => value === chosen) ? chosen : "";
}

// -- keeping ---------------------------------------------------------------------------------------------------------

function cell(value) {
  // A spreadsheet takes what begins so for a formula.
  const text = String(value ?? "");
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function save() {
  const labels = model?.info.labels ?? [];
  const head = ["path", "label", "probability", "sure", "outlier_score", "is_outlier", "error", ...labels];
  const rows = items.filter((item) => item.state === "done" || item.state === "failed").map((item) => {
    const told = item.answer ?? {};
    const shares = labels.map((label) => told.probabilities?.[label]);
    return [item.name, told.label, told.probability, told.sure, told.outlier_score, told.is_outlier, item.problem, ...shares];
  });
  const text = [head, ...rows].map((row) => row.map(cell).join(",")).join("\r\n");
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([`\ufeff${text}\r\n`], { type: "text/csv" }));
  link.download = "predictions.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// -- the model -------------------------------------------------------------------------------------------------------

async function meet() {
  let answer;
  try {
    answer = await fetch("model", { headers: headers() });
  } catch {
    find("promise").textContent = "The service does not answer. Is it still running?";
    return false;
  }
  if (answer.status === 401) {
    lock();
    return false;
  }
  if (!answer.ok) return false;
  model = await answer.json();
  const { labels, metrics, backbone, resolution } = model.info;
  find("unlock").hidden = true;
  document.title = `Gingham – ${model.name}`;
  find("about").textContent = `${model.name} · ${backbone} at ${resolution} pixels`;
  find("promise").textContent = promise(metrics);
  const names = labels.slice(0, 12).map((label) => element("span", label));
  names.forEach((name) => (name.title = name.textContent));
  if (labels.length > 12) names.push(element("span", `and ${labels.length - 12} more`));
  find("labels").replaceChildren(...names);
  return true;
}

function promise(metrics) {
  if (typeof metrics?.accuracy !== "number") return "";
  const whole = (share) => (100 * share).toFixed(0);
  const [low, high] = metrics.accuracy_ci ?? [];
  const range = low === undefined ? "" : ` (${whole(low)} to ${whole(high)})`;
  const tested = metrics.test_images ? `, by its test on ${metrics.test_images.toLocaleString("en")} images` : "";
  return `Of 100 new images like those it learned from, expect about ${whole(metrics.accuracy)} to be recognised${range}${tested}.`;
}

function lock() {
  find("unlock").hidden = false;
  find("unlock-problem").textContent = token ? "That is not the token." : "";
  find("token").focus();
}

// -- what the user does ----------------------------------------------------------------------------------------------

async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const found = [];
  for (let batch; (batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))).length; ) {
    for (const each of batch) found.push(...(await filesOf(each)).filter((file) => each.isDirectory || IMAGE.test(file.name)));
  }
  return found;
}

async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  return (await Promise.all(entries.map(filesOf))).flat();
}

for (const kind of ["dragenter", "dragover"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    find("drop").classList.add("over");
  });
}
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) find("drop").classList.remove("over");
});
addEventListener("drop", async (event) => {
  event.preventDefault();
  find("drop").classList.remove("over");
  add(await dropped(event.dataTransfer));
});
addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (files.length) add(files);
});
find("files").addEventListener("change", (event) => {
  add(event.target.files);
  event.target.value = "";
});
find("folder").addEventListener("change", (event) => {
  add([...event.target.files].filter((file) => IMAGE.test(file.name)));
  event.target.value = "";
});
find("stop").addEventListener("click", () => {
  if (running) stopped = true;
  else start();
});
find("filter").addEventListener("change", () => {
  shown = SHOWN;
  draw();
});
find("more").addEventListener("click", () => {
  shown += SHOWN;
  draw();
});
find("save").addEventListener("click", save);
find("clear").addEventListener("click", () => {
  stopped = true;
  items.length = 0;
  shown = SHOWN;
  find("filter").value = "";
  find("outcome").hidden = true;
  find("drop").classList.remove("compact");
  draw();
});
find("unlock").addEventListener("submit", async (event) => {
  event.preventDefault();
  token = find("token").value.trim();
  if (!(await meet())) return;
  sessionStorage.setItem("gingham-token", token);
  find("token").value = "";
  for (const item of items) if (item.state === "failed" && item.problem.startsWith("The token")) item.state = "waiting";
  start();
});

await meet();
