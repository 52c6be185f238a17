// The table of what happens without each feature, and under each face mask.
import { thumbnail } from "./faces.js";
import { leansOn } from "./sentences.js";
import { changed, element, moved, percent } from "./words.js";

const STRONGEST = 0.55;

function cell(before, after) {
  const { points, kind } = moved(before, after);
  const made = element("td", { className: kind }, points === 0 ? "·" : points > 0 ? `+${points}` : `−${-points}`);
  if (points !== 0) {
    const strength = Math.min(STRONGEST, Math.abs(points) / 100);
    made.style.backgroundColor = `rgb(var(--${kind}-rgb) / ${strength})`;
    made.style.color = "var(--ink)";
  }
  return made;
}

function line(row, before, emotions, choose) {
  const name = changed(row.change, row.name);
  const button = element("button", { type: "button", title: "Show this face above" }, thumbnail(row.face), name);
  button.addEventListener("click", () => choose(row));
  const most = percent(row.probabilities[row.most_probable]);
  const says = row.emotion === null ? `? ${row.most_probable} ${most}` : `${row.emotion} ${most}`;
  return element(
    "tr", {}, element("th", { scope: "row" }, button), element("td", { className: "says" }, says),
    ...emotions.map((emotion) => cell(before.probabilities[emotion], row.probabilities[emotion])),
  );
}

export function table(found, emotions, choose) {
  const own = found.before.most_probable;
  const fall = (row) => found.before.probabilities[own] - row.probabilities[own];
  const rows = [...found.rows].sort((a, b) => fall(b) - fall(a));
  const head = element(
    "tr", {}, element("th", { scope: "col" }, "Change"), element("th", { scope: "col", className: "says" }, "Then it says"),
    ...emotions.map((emotion) => element("th", { scope: "col", className: emotion === own ? "own" : "" }, emotion)),
  );
  head.children[1].style.textAlign = "left";
  const made = element(
    "table", { className: "tried" },
    element("caption", {}, `${found.model} on the whole face: ${own} ${percent(found.before.probabilities[own])}. Points moved; largest fall of ${own} first. “?”: it doesn’t know.`),
    element("thead", {}, head),
    element("tbody", {}, ...rows.map((row) => line(row, found.before, emotions, choose))),
  );
  const scroll = element("div", { className: "scroll", tabIndex: 0 }, made);
  const told = element("p", { className: "plain" }, leansOn(found));
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", "What if: a table");
  return element("div", { className: "told" }, told, scroll);
}
