// Numbers and texts as the page shows them. What comes from outside enters it as text nodes only.

export const $ = (id) => document.getElementById(id);

export const count = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : noun.endsWith("s") ? "es" : "s"}`;
export const megabytes = (bytes, rounded) => `${(rounded(bytes / 1e5) / 10).toLocaleString("en")}\u00a0MB`;
export const ofHundred = (fraction) => Math.round(100 * fraction);

/** A percentage that is never 0 or 100 where the fraction is not 0 or 1. */
export function percent(fraction) {
  const rounded = ofHundred(fraction);
  if (rounded === 100 && fraction < 1) return ">\u00a099\u00a0%";
  return rounded === 0 && fraction > 0 ? "<\u00a01\u00a0%" : `${rounded}\u00a0%`;
}

/** Text without characters that would hide or turn around what is shown. */
export function visible(text) {
  return text.replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
}

/** The words for "reason_code: detail". */
export function problemInWords(error) {
  const [, code, detail] = /^(\w+)(?:: )?(.*)$/s.exec(error) ?? ["", "", "", error];
  const words = code.replaceAll("_", " ");
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}${detail && `: ${detail}`}`;
}

export function element(name, className, ...children) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...children);
  return made;
}

export function outside(name, className, text) {
  const made = element(name, className, element("bdi", "", visible(text)));
  made.title = visible(text);
  return made;
}

