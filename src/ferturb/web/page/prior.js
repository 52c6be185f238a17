// How frequent the emotions are for which the models answer, as it is chosen and said.
import { element, percent } from "./words.js";

const $ = (id) => document.getElementById(id);
const WEB = "as in photos of the web", NEAR = 0.03, LEAST = 1e-30;
const NAMES = { "": "as where it learnt", wild: WEB, balanced: "each alike", own: "my own numbers" };
const inputs = () => [...$("shares").querySelectorAll("input")];

// Whether a model's own frequencies are nearly those of photos of the web: then one choice is enough.
const isWild = (model, { priors: { wild } }) => model.prior.every((share, i) => Math.abs(share - wild[i]) < NEAR);

// `changed` is called when there is another one.
export function priors(about, changed) {
  const wild = about.models.every((model) => isWild(model, about));
  const names = ["", ...Object.keys(about.priors).filter((name) => !wild || name !== "wild"), "own"];
  $("prior").append(...names.map((name) => element("option", { value: name }, wild && !name ? WEB : NAMES[name] ?? name)));
  $("shares").append(...about.emotions.map((emotion, i) => {
    const share = Number((100 * about.priors.wild[i]).toPrecision(2));
    return element("label", {}, `${emotion} `, element("input", { type: "number", min: "0", step: "any", value: String(share) }));
  }));
  $("prior").addEventListener("change", () => {
    $("shares").hidden = $("prior").value !== "own";
    changed();
  });
  $("shares").addEventListener("change", changed);
}

// As a question has it: null for each model's own, a name, or seven numbers.
export function prior() {
  const name = $("prior").value;
  if (name !== "own") return name || null;
  const shares = inputs().map((input) => Number(input.value)), sum = shares.reduce((a, b) => a + b, 0);
  if (!shares.every((share) => share > 0)) throw new Error("each of the seven numbers must be above 0");
  if (!shares.every((share) => share / sum >= LEAST)) throw new Error("the seven numbers are too large, or one is too small beside the others");
  return shares;
}

// What is assumed, in a sentence.
export function assumed(model, about) {
  const name = $("prior").value, own = name === "own";
  if (name === "balanced") return "It takes each of the seven emotions to be as frequent as any other: for posed faces, or when you don\u2019t know.";
  const shares = own ? inputs().map((input) => Number(input.value)) : about.priors[name] ?? model.prior;
  const sum = shares.reduce((a, b) => a + b, 0);
  const told = about.emotions.map((emotion, i) => [emotion, shares[i] / sum]).sort((a, b) => b[1] - a[1]);
  const web = name === "wild" || (!name && isWild(model, about));
  const where = own ? " as often as you say" : web ? " as often as people saw them in photos of the web" : " as often as where it learnt";
  return `It takes emotions to come${where}: ${told.map(([emotion, share]) => `${percent(share)} ${emotion}`).join(", ")}.`;
}
