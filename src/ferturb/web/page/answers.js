// The answers of one or more models: a verdict, and a bar for each emotion, before and after.
import { outcome } from "./sentences.js";
import { capital, element, moved, percent, sureness } from "./words.js";

function verdict(model, answer, before, change) {
  const p = answer.probabilities[answer.most_probable], sure = sureness(model, p), known = answer.emotion !== null;
  const guess = known ? "" : `Best guess: ${answer.most_probable}, ${sure}.`;
  const rule = known || before ? "" : ` It answers from ${percent(model.threshold)} on, where it finds the features of a face.`;
  return [
    known
      ? element("p", { className: "verdict" }, capital(answer.emotion), " ", element("small", {}, sure))
      : element("p", { className: "verdict" }, "It doesn’t know"),
    element("p", { className: "why" }, before ? `${change}, ${outcome(before, answer)}. ${guess}` : guess + rule),
  ];
}

function row(emotion, answer, before) {
  const p = answer.probabilities[emotion];
  const track = element("div", { className: "track" });
  track.append(element("div", { className: "fill" }));
  track.firstChild.style.width = `${100 * p}%`;
  const change = element("td", { className: "change" });
  if (before) {
    const was = before.probabilities[emotion];
    const { text, kind } = moved(was, p);
    const mark = element("div", { className: "before", hidden: kind === "same" });
    mark.style.left = `${Math.min(99.5, Math.max(0.5, 100 * was))}%`;
    track.append(mark);
    change.append(element("span", { className: kind }, text));
  }
  const cell = element("td", {}, track);
  cell.setAttribute("aria-hidden", "true");
  const made = element(
    "tr", { className: emotion === answer.most_probable ? "most" : "" },
    element("th", { scope: "row" }, emotion), cell,
    element("td", { className: "number" }, percent(p)), change,
  );
  made.dataset.emotion = emotion;
  return made;
}

// `before` is null as long as nothing is changed; `change` says what is.
export function answerOf(model, answer, before, emotions, change) {
  const table = element("table", { className: "bars" });
  table.append(
    element("caption", { className: "unseen" }, `${model.name}: probability of each emotion${before ? ", and how many points it moved" : ""}`),
    element("tbody", {}, ...emotions.map((emotion) => row(emotion, answer, before))),
  );
  const made = element(
    "div", { className: "answer" },
    element("div", { className: "said" }, element("h3", {}, model.name), ...verdict(model, answer, before, change)), table,
  );
  made.dataset.model = model.name;
  return made;
}

// Moves the bars that are there, so that they glide; true if it could.
export function update(shown, fresh) {
  const bars = [...shown.querySelectorAll(".fill")], goals = [...fresh.querySelectorAll(".fill")];
  if (bars.length !== goals.length) return false;
  bars.forEach((bar, i) => goals[i].replaceWith(bar));
  const widths = goals.map((goal) => goal.style.width);
  shown.replaceWith(fresh);
  requestAnimationFrame(() => bars.forEach((bar, i) => { bar.style.width = widths[i]; }));
  return true;
}
