// Sends images to the service that this page comes from, and shows what its model says of them.
// Names and labels come from outside: they enter the page as text nodes only. Addresses are relative, for proxies.

import { describe } from "./about.js";
import { fill, newCard } from "./card.js";
import { table } from "./table.js";
import { drawWhenSeen, forget } from "./thumbnails.js";
import { $, count, element, megabytes, outside } from "./words.js";

const LANES = 4; // images on their way at a time
const CALM = 20; // answers without a refusal, after which one more lane is tried
const LONGEST_WAIT = 30; // seconds between two tries
const BUSY = [429, 502, 503, 504];
const NOT_FOR_US = /(^|\/)(\.[^/]*|thumbs\.db|desktop\.ini)$/i;

let model = null;
let token = "";
let items = []; // { file, name, card, prediction }, in the order shown
let waiting = []; // those of them that are still to be sent
let run = null; // { lanes, calm, controller } while images are sent
let trouble = ""; // why they are not
let note = ""; // what else is to be said
let filter = "all";

// ---- the model

const NO_ANSWER = "The service does not answer. Is it running?";

/** With the token, if there is one: its bytes, since a header takes no other characters. */
function headers(others = {}) {
  const bytes = String.fromCharCode(...new TextEncoder().encode(token));
  return token ? { ...others, Authorization: `Bearer ${bytes}` } : others;
}

async function loadModel() {
  try {
    const response = await fetch("model", { headers: headers() });
    if (response.status === 401) return askForToken();
    if (!response.ok) throw new Error(`status ${response.status}`);
    model = await response.json();
  } catch {
    trouble = NO_ANSWER;
    return refresh();
  }
  $("access").hidden = true;
  trouble = "";
  describe(model, Boolean(token));
  go();
}

function askForToken() {
  if (token) {
    $("token-note").textContent = "That is not the token of this service.";
    $("token-note").classList.add("trouble");
  }
  token = "";
  trouble = "";
  $("access").hidden = false;
  $("token").focus();
  $("token").select();
  refresh();
}

// ---- images come in

function add(files) {
  const wanted = files.filter(({ file, name }) => {
    const ofFolder = name.includes("/");
    return !(ofFolder && (NOT_FOR_US.test(name) || (file.type && !file.type.startsWith("image/"))));
  });
  const left = files.length - wanted.length;
  note = left ? `${count(left, "file")} of the folder left out: no image.` : files.length ? "" : "That holds no files.";
  const order = new Intl.Collator("en", { numeric: true });
  wanted.sort((a, b) => order.compare(a.name, b.name));
  const added = wanted.map(({ file, name }) => ({ file, name, card: newCard(name), prediction: null }));
  items.push(...added);
  waiting.push(...added);
  $("images").append(...added.map((item) => item.card));
  go();
}

async function* filesOf(entry) {
  if (entry.isFile) {
    const file = await new Promise((done, fail) => entry.file(done, fail));
    yield { file, name: entry.fullPath.replace(/^\//, "") };
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail)); // 100 at a time
    if (!some.length) return;
    for (const each of some) yield* filesOf(each);
  }
}

async function addDropped(transfer) {
  // The list is emptied once this event is over: take all from it before the first wait.
  const dropped = [...transfer.items]
    .filter((item) => item.kind === "file")
    .map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }));
  const found = [];
  for (const { entry, file } of dropped) {
    if (entry?.isDirectory) for await (const each of filesOf(entry)) found.push(each);
    else found.push({ file, name: file.name });
  }
  add(found);
}

// ---- images go out

function go() {
  if (!model || !$("access").hidden) return refresh();
  const largest = model.limits.max_body;
  waiting = waiting.filter((item) => {
    const { size } = item.file;
    if (size > 0 && size <= largest) return true;
    const tooLarge = `too_large: it has ${megabytes(size, Math.ceil)}, and this service takes at most ${megabytes(largest, Math.floor)}`;
    show(item, { error: size ? tooLarge : "empty: the file has no content" });
    return false;
  });
  if (waiting.length) {
    trouble = "";
    run ??= { lanes: 0, calm: 0, controller: new AbortController() };
    for (let free = Math.min(LANES - run.lanes, waiting.length); free > 0; free--) lane(run);
  }
  refresh();
}

function pause(why) {
  trouble = why;
  run?.controller.abort();
  run = null;
  refresh();
}

/** Send one image after the other; give up the lane where the service is busy and others are left. */
async function lane(own) {
  const { signal } = own.controller;
  own.lanes += 1;
  let tries = 0;
  for (let item; !signal.aborted && (item = waiting.shift()); ) {
    const answer = await send(item, signal);
    if (answer.prediction) {
      show(item, answer.prediction);
      tries = 0;
      if (++own.calm % CALM === 0 && own.lanes < LANES) lane(own);
    } else {
      if (items.includes(item)) waiting.unshift(item);
      if (signal.aborted) break;
      if (answer.unauthorized) {
        pause("");
        askForToken();
      } else if (answer.lost && tries > 0) {
        pause(NO_ANSWER);
      } else if (answer.busy && own.lanes > 1) {
        own.calm = 0;
        break;
      } else {
        const seconds = Math.max(answer.busy ?? 1, Math.min(LONGEST_WAIT, 2 ** tries++));
        trouble = answer.busy ? `The service is busy. Trying again in ${count(Math.round(seconds), "second")}.` : "";
        refresh();
        await sleep(seconds, signal);
        if (!signal.aborted) trouble = "";
      }
    }
    refresh();
  }
  own.lanes -= 1;
  if (run === own && !own.lanes) run = null;
  refresh();
}

/** One of: { prediction }, { busy: seconds }, { unauthorized }, { lost }. */
async function send({ file }, signal) {
  let body;
  try {
    body = await file.arrayBuffer();
  } catch {
    return { prediction: { error: "unreadable: the browser cannot read the file; was it moved or changed?" } };
  }
  try {
    const type = { "Content-Type": "application/octet-stream" };
    const response = await fetch("predict", { method: "POST", body, signal, headers: headers(type) });
    if (response.status === 401) return { unauthorized: true };
    if (BUSY.includes(response.status)) return { busy: Number(response.headers.get("Retry-After")) || 1 };
    const answer = await response.json();
    if (response.ok) {
      if (answer.model.id !== model.id) await loadModel(); // the service has loaded another one
      return { prediction: answer.predictions[0] };
    }
    const { reason, message } = answer.error;
    const ofImage = /^The image cannot be used: (.*)\.$/s.exec(message);
    return { prediction: { error: ofImage ? ofImage[1] : `${reason}: ${message}` } };
  } catch {
    return { lost: true };
  }
}

function sleep(seconds, signal) {
  return new Promise((done) => {
    setTimeout(done, 1000 * seconds);
    signal.addEventListener("abort", done, { once: true });
  });
}

// ---- what is shown of an image

function show(item, prediction) {
  item.prediction = prediction;
  fill(item.card, prediction, model.info.threshold);
  if (!prediction.error) drawWhenSeen(item.card, item.file); // only what the service could read: a bomb is not
  item.card.hidden = !matches(item);
}

// ---- what is shown of all

let frame = 0;

function refresh() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    draw();
  });
}

const GROUPS = {
  all: ["All", () => true],
  unsure: ["Not sure", ({ sure, error }) => !error && !sure],
  unlike: ["Unlike the training images", ({ is_outlier }) => is_outlier],
  failed: ["Could not be read", ({ error }) => error],
};

function matches({ prediction }) {
  if (filter in GROUPS) return filter === "all" || Boolean(prediction && GROUPS[filter][1](prediction));
  return prediction?.label === filter.slice("label:".length);
}

function draw() {
  const predictions = items.map((item) => item.prediction).filter(Boolean);
  const barred = !$("access").hidden;
  const stuck = !run && !barred && (waiting.length > 0 || !model);
  $("results").hidden = !items.length && !trouble && !note;
  $("drop").classList.toggle("filled", items.length > 0);
  for (const id of ["progress", "count", "save", "clear", "filters"]) $(id).hidden = !items.length;
  $("progress").max = items.length || 1;
  $("progress").value = predictions.length;
  $("count").textContent = `${predictions.length.toLocaleString("en")} of ${items.length.toLocaleString("en")}`;
  $("save").disabled = !predictions.length;
  const isFocused = document.activeElement === $("switch");
  $("switch").hidden = !run && !stuck;
  $("switch").textContent = run ? "Stop" : trouble ? "Try again" : "Continue";
  if (isFocused && $("switch").hidden) $("save").focus();
  let words = trouble;
  if (!trouble && barred) words = "Waiting for the token.";
  else if (!trouble && run) words = "Looking at the images …";
  else if (!trouble && waiting.length) words = `Stopped. ${count(waiting.length, "image")} left.`;
  else if (!trouble && items.length) words = summary(predictions);
  words = [words, note].filter(Boolean).join(" ");
  if ($("status").textContent !== words) $("status").textContent = words; // a screen reader reads out what is new
  $("status").classList.toggle("trouble", Boolean(trouble));
  drawFilters(predictions);
}

function summary(predictions) {
  const [unsure, unlike, failed] = ["unsure", "unlike", "failed"].map((g) => predictions.filter(GROUPS[g][1]).length);
  const parts = [
    `${count(predictions.length - failed, "image")} labelled`,
    unsure && `${unsure.toLocaleString("en")} of them not sure`,
    unlike && `${unlike.toLocaleString("en")} of them unlike the training images`,
    failed && `${failed.toLocaleString("en")} could not be read`,
  ];
  return `Done: ${parts.filter(Boolean).join(", ")}.`;
}

const buttons = new Map(); // by filter

function drawFilters(predictions) {
  const labels = new Map();
  for (const { label } of predictions) if (label != null) labels.set(label, (labels.get(label) ?? 0) + 1);
  const order = [
    ...Object.entries(GROUPS).map(([key, [words, holds]]) => [key, words, predictions.filter(holds).length]),
    ...[...labels].sort((a, b) => b[1] - a[1]).map(([label, n]) => [`label:${label}`, label, n]),
  ];
  order[0][2] = items.length;
  const wanted = order.filter(([key, , n]) => n || key === filter).map((each) => filterButton(...each));
  const box = $("filters");
  if (wanted.length === box.children.length && wanted.every((each, place) => each === box.children[place])) return;
  const focused = box.contains(document.activeElement) ? document.activeElement : null;
  box.replaceChildren(...wanted);
  focused?.focus(); // a node that is moved loses it
}

function filterButton(key, words, n) {
  let button = buttons.get(key);
  if (!button) {
    button = element("button", "", outside("span", "name", words), element("span", "number"));
    button.type = "button";
    button.addEventListener("click", () => choose(key));
    buttons.set(key, button);
  }
  button.lastElementChild.textContent = n.toLocaleString("en");
  button.ariaPressed = key === filter;
  return button;
}

function choose(key) {
  filter = key;
  for (const item of items) item.card.hidden = !matches(item);
  refresh();
}

function clear() {
  items = [];
  waiting = [];
  note = "";
  forget();
  $("images").replaceChildren();
  choose("all");
  pause("");
  $("files").focus();
}

function save() {
  const link = element("a", "");
  link.href = URL.createObjectURL(new Blob(["\ufeff", table(items, model.info.labels)], { type: "text/csv" })); // the mark is for Excel
  link.download = "predictions.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// ---- what the user does

for (const input of [$("files"), $("folder")]) {
  input.addEventListener("change", () => {
    add([...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name })));
    input.value = ""; // so that the same files can be chosen again
  });
}
document.addEventListener("paste", ({ clipboardData }) => {
  if (clipboardData.files.length) add([...clipboardData.files].map((file) => ({ file, name: file.name })));
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.toggle("dragging", event.dataTransfer.types.includes("Files"));
});
document.addEventListener("dragleave", ({ relatedTarget }) => {
  if (!relatedTarget) document.body.classList.remove("dragging");
});
document.addEventListener("drop", (event) => {
  event.preventDefault(); // or the browser would leave this page for the image
  document.body.classList.remove("dragging");
  addDropped(event.dataTransfer);
});
$("access").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  loadModel();
});
$("switch").addEventListener("click", () => (run ? pause("") : model ? go() : loadModel()));
$("save").addEventListener("click", save);
$("clear").addEventListener("click", clear);

loadModel();
