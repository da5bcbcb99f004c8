// What is shown of an image.

import { element, outside, percent, problemInWords, visible } from "./words.js";

const SHOWN = 5; // classes of an image, at first

/** Make the card of an image that waits. */
export function newCard(name) {
  const says = element("div", "", outside("p", "file", name), element("p", "waiting", "Waiting"));
  return element("li", "card", element("div", "head", element("div", "picture"), says));
}

/** Write on a card what became of its image; `threshold` is the model's, for being sure. */
export function fill(card, prediction, threshold) {
  const says = card.querySelector(".head").lastElementChild;
  says.lastElementChild.remove();
  if (prediction.error) {
    says.append(element("p", "problem", visible(problemInWords(prediction.error))));
    card.querySelector(".picture").textContent = "no picture";
  } else {
    says.append(outside("p", "label", prediction.label));
    says.append(...remarks(prediction, threshold).map((words) => element("p", "remark", words)));
    card.append(...classes(prediction));
  }
}

function remarks({ sure, is_outlier: unlike }, threshold) {
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

