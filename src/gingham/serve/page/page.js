// Sends images to the service that this page comes from, and shows what its model says of them.
// Names and labels come from outside: they enter the page as text nodes only. Addresses are relative, for proxies.

const LANES = 4; // images on their way at a time
const CALM = 20; // answers without a refusal, after which one more lane is tried
const LONGEST_WAIT = 30; // seconds between two tries
const SHOWN = 5; // classes of an image, at first
const MANY = 24; // labels that are not all shown at once
const SIDE = 216; // pixels of a thumbnail, for screens of two to a point
const BUSY = [429, 502, 503, 504];
const NOT_FOR_US = /(^|\/)(\.[^/]*|thumbs\.db|desktop\.ini)$/i;
const FORMULA_STARTS = ["=", "+", "-", "@", "\t", "\r", "\n", "'"];

const $ = (id) => document.getElementById(id);
let model = null;
let token = "";
let items = []; // { file, name, card, prediction }, in the order shown
let waiting = []; // those of them that are still to be sent
let run = null; // { lanes, calm, controller } while images are sent
let trouble = ""; // why they are not
let note = ""; // what else is to be said
let filter = "all";

// ---- words

const count = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : noun.endsWith("s") ? "es" : "s"}`;
const megabytes = (bytes) => `${(Math.ceil((bytes / 2 ** 20) * 10) / 10).toLocaleString("en")}\u00a0MB`;
const ofHundred = (fraction) => Math.round(100 * fraction);

/** A percentage that is never 0 or 100 where the fraction is not 0 or 1. */
function percent(fraction) {
  const rounded = ofHundred(fraction);
  if (rounded === 100 && fraction < 1) return ">\u00a099\u00a0%";
  return rounded === 0 && fraction > 0 ? "<\u00a01\u00a0%" : `${rounded}\u00a0%`;
}

/** Text without characters that would hide or turn around what is shown. */
function visible(text) {
  return text.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
}

/** The words for "reason_code: detail". */
function problemInWords(error) {
  const [, code, detail] = /^(\w+)(?:: )?(.*)$/s.exec(error) ?? ["", "", "", error];
  const words = code.replaceAll("_", " ");
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}${detail && `: ${detail}`}`;
}

function element(name, className, ...children) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...children);
  return made;
}

function outside(name, className, text) {
  const made = element(name, className, element("bdi", "", visible(text)));
  made.title = visible(text);
  return made;
}

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
  describe();
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

function describe() {
  const { info, limits } = model;
  document.title = `${visible(model.name)} – Gingham`;
  $("name").textContent = visible(model.name);
  $("title").textContent = `Sorts images into ${count(info.labels.length, "class")}`;
  describeQuality(info.metrics);
  const network = info.backbone
    .replace(/^efficientnet_lite(\d)$/, "EfficientNet-Lite$1")
    .replace(/^resnet(\d+)$/, "ResNet-$1");
  const part = info.fit === "crop" ? "the central square of an image" : "the whole image";
  $("sees").textContent =
    `It sees ${part} at ${info.resolution}\u00a0×\u00a0${info.resolution} pixels, through the pretrained network ` +
    `${visible(network)}.` +
    (info.threshold === null ? " No probability is high enough to be sure of: it is never sure." : "");
  $("labels").replaceChildren(...info.labels.map((label) => outside("li", "", label)));
  $("known").open = info.labels.length <= MANY;
  $("limits").textContent =
    `JPEG, PNG, WebP, BMP, GIF, TIFF or AVIF; up to ${megabytes(limits.max_body)} and ` +
    `${Math.floor(limits.max_pixels / 1e6).toLocaleString("en")} megapixels each.`;
  $("command").textContent =
    `curl ${token ? '-H "Authorization: Bearer TOKEN" ' : ""}-F image=@photo.jpg ${new URL("predict", document.baseURI)}`;
  $("identity").textContent = [info.run_id && `Run ${info.run_id}`, `Model ${model.id}`].filter(Boolean).join(" · ");
  $("about").hidden = $("footer").hidden = false;
}

/** Say how good the model is: what its test says, with the doubt that the size of the test leaves. */
function describeQuality({ accuracy, accuracy_ci: interval, n_correct: right, n_test, test_images, confidence = 0.95 }) {
  const tested = n_test ?? test_images;
  const known = Number.isFinite(accuracy) && interval?.length === 2 && tested > 0;
  $("scale").hidden = !known;
  if (!known) {
    $("promise").textContent = "How good it is, the model file does not say.";
    return;
  }
  const [low, high] = interval;
  const faultless = (right ?? accuracy * tested) === tested;
  $("promise").textContent =
    "Of 100 new images like those it was trained on, expect " +
    (faultless
      ? `at least ${Math.floor(100 * low)} to be recognised.`
      : `about ${ofHundred(accuracy)} to be recognised (${ofHundred(low)} to ${ofHundred(high)}).`);
  $("basis").textContent =
    `Measured on ${count(tested, "test image")}${faultless ? ", without a mistake" : ""}; ` +
    `the range is a ${ofHundred(confidence)}\u00a0% interval.`;
  for (const [name, value] of Object.entries({ low, high, value: accuracy })) {
    $("scale").style.setProperty(`--${name}`, `${100 * value}%`);
  }
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
  const added = wanted.map(({ file, name }) => {
    const picture = element("div", "picture");
    const says = element("div", "", outside("p", "file", name), element("p", "waiting", "Waiting"));
    const card = element("li", "card", element("div", "head", picture, says));
    return { file, name, card, prediction: null };
  });
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
    const tooLarge = `too_large: it has ${megabytes(size)}, and this service takes at most ${megabytes(largest)}`;
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
  const says = item.card.querySelector(".head").lastElementChild;
  says.lastElementChild.remove();
  if (prediction.error) {
    says.append(element("p", "problem", visible(problemInWords(prediction.error))));
    item.card.querySelector(".picture").textContent = "no picture";
  } else {
    says.append(outside("p", "label", prediction.label));
    says.append(...remarks(prediction).map((words) => element("p", "remark", words)));
    item.card.append(...classes(prediction));
    shownFirst.observe(item.card); // only what the service could read is drawn: a bomb is not
  }
  item.card.hidden = !matches(item);
}

function remarks({ sure, is_outlier: unlike }) {
  const { threshold } = model.info;
  return [
    unlike && "Unlike the training images: do not rely on the label",
    !sure && (threshold === null ? "Not sure" : `Not sure: less than ${percent(threshold)}`),
  ].filter(Boolean);
}

function classes({ probabilities }) {
  const ranked = Object.entries(probabilities).sort((a, b) => b[1] - a[1]);
  const list = element("ol", "classes", ...ranked.slice(0, SHOWN).map(row));
  if (ranked.length <= SHOWN) return [list];
  const more = element("button", "plain", `Show all ${ranked.length} classes`);
  more.type = "button";
  more.ariaExpanded = false;
  more.addEventListener("click", () => {
    const all = more.ariaExpanded === "false";
    more.ariaExpanded = all;
    more.textContent = all ? `Show the first ${SHOWN}` : `Show all ${ranked.length} classes`;
    list.replaceChildren(...ranked.slice(0, all ? ranked.length : SHOWN).map(row));
  });
  return [list, more];
}

function row([label, probability]) {
  const bar = element("span", "bar");
  bar.style.setProperty("--share", `${100 * probability}%`);
  return element("li", "", outside("span", "name", label), bar, element("span", "percent", percent(probability)));
}

const undrawn = [];
let drawing = false;
const shownFirst = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      shownFirst.unobserve(target);
      undrawn.push(items.find((item) => item.card === target));
    }
    if (!drawing) drawThumbnails();
  },
  { rootMargin: "100%" },
);

/** One at a time, the last that came into view first: an open photo takes a hundred times the memory of its file. */
async function drawThumbnails() {
  drawing = true;
  for (let item; undrawn.length; ) if ((item = undrawn.pop())) await drawThumbnail(item);
  drawing = false;
}

async function drawThumbnail({ file, card }) {
  const place = card.querySelector(".picture");
  try {
    const photo = await createImageBitmap(file);
    const [short, long] = [photo.width, photo.height].sort((a, b) => a - b);
    const scale = Math.min(SIDE / short, (2 * SIDE) / long); // fills the square; of a long image, half is shown
    const [width, height] = [photo.width * scale, photo.height * scale];
    const canvas = new OffscreenCanvas(SIDE, SIDE);
    const pen = canvas.getContext("2d");
    pen.imageSmoothingQuality = "high";
    pen.fillStyle = "white"; // as the model sees what is transparent
    pen.fillRect((SIDE - width) / 2, (SIDE - height) / 2, width, height);
    pen.drawImage(photo, (SIDE - width) / 2, (SIDE - height) / 2, width, height);
    photo.close();
    const image = element("img", "");
    image.alt = "";
    image.src = URL.createObjectURL(await canvas.convertToBlob({ type: "image/webp", quality: 0.85 }));
    place.replaceChildren(image);
  } catch {
    place.textContent = "no preview"; // a format that the service reads and this browser does not
  }
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
  for (const image of document.querySelectorAll(".picture img")) URL.revokeObjectURL(image.src);
  items = [];
  waiting = [];
  undrawn.length = 0;
  note = "";
  shownFirst.disconnect();
  $("images").replaceChildren();
  choose("all");
  pause("");
  $("files").focus();
}

// ---- a table for a spreadsheet, as `gingham predict --csv` writes it

function table() {
  const { labels } = model.info;
  const number = (value) => (value == null ? "" : String(Number(value.toPrecision(6))));
  const yes = (value) => (value ? "yes" : "no");
  const harmless = (text) => (FORMULA_STARTS.some((start) => text.startsWith(start)) ? `'${text}` : text);
  const columns = ["path", "label", "probability", "sure", "outlier_score", "is_outlier", "error"];
  const rows = items
    .filter((item) => item.prediction)
    .map(({ name, prediction: p }) => [
      harmless(name),
      harmless(p.label ?? ""),
      number(p.probability),
      yes(p.sure),
      number(p.outlier_score),
      yes(p.is_outlier),
      harmless(p.error ?? ""),
      ...labels.map((label) => number(p.probabilities?.[label])),
    ]);
  const quoted = (cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  const lines = [[...columns, ...labels.map((label) => `p(${label})`)], ...rows];
  return lines.map((cells) => `${cells.map(quoted).join(",")}\r\n`).join("");
}

function save() {
  const link = element("a", "");
  link.href = URL.createObjectURL(new Blob(["\ufeff", table()], { type: "text/csv" })); // the mark is for Excel
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
