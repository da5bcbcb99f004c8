// What the page says of the model.

import { $, count, megabytes, ofHundred, outside, visible } from "./words.js";

const MANY = 24; // labels that are not all shown at once

/**
 * Describe a model.
 *
 * @param {object} model What `GET /model` answers.
 * @param {boolean} guarded Whether the service wants a token.
 */
export function describe(model, guarded) {
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
    `JPEG, PNG, WebP, BMP, GIF, TIFF or AVIF; up to ${megabytes(limits.max_body, Math.floor)} and ` +
    `${Math.floor(limits.max_pixels / 1e6).toLocaleString("en")} megapixels each.`;
  $("command").textContent =
    `curl ${guarded ? '-H "Authorization: Bearer TOKEN" ' : ""}-F image=@photo.jpg ${new URL("predict", document.baseURI)}`;
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

