// A table for a spreadsheet, as `gingham predict --csv` writes it.

const FORMULA_STARTS = ["=", "+", "-", "@", "\t", "\r", "\n", "'"];

/** Return the table of all images that were answered. */
export function table(items, labels) {
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

