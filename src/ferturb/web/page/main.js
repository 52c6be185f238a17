// The page's state, and what happens when something in it changes.
import * as api from "./api.js";
import { answerOf, update } from "./answers.js";
import { CLUSTERS, paint } from "./faces.js";
import { examples, listen } from "./intake.js";
import { forget, markChosen, showPhoto } from "./photo.js";
import { capital, changed, element, fill, mask, percent, sentence, spaced } from "./words.js";
import { change } from "./sentences.js";
import { savePair } from "./pair.js";
import { assumed, prior, priors } from "./prior.js";
import { table } from "./whatif.js";

const $ = (id) => document.getElementById(id);
const state = { about: null, blob: null, wantCropped: false, found: null, chosen: 0, now: null, overlays: {} };
const [photoCall, faceCall, overlayCall, tableCall] = [api.latest(), api.latest(), api.latest(), api.latest()];

const model = () => state.about.models.find((m) => m.name === $("model").value);
const shownModels = () => ($("compare").checked ? state.about.models : [model()]);
const face = () => state.found.faces[state.chosen];
const picked = (name) => document.querySelector(`input[name="${name}"]:checked`)?.value;
const leftOut = () => [...document.querySelectorAll('input[name="feature"]:checked')].map((i) => i.value);
const worn = () => picked("worn") || null;
const isChanged = () => leftOut().length > 0 || worn() !== null;

function say(...content) {
  $("message").replaceChildren(...content);
}

function complain(text) {
  say(element("p", { className: "error" }, `${capital(text)}.`));
}

async function guarded(work) {
  try {
    await work();
  } catch (error) {
    complain(error.message);
  }
}

const note = (text) => say(element("p", { className: "note" }, text));

// A picture came: find its faces, as soon as the models are there.
async function take(blob, cropped = state.wantCropped) {
  $("cropped").checked = cropped;
  state.blob = blob;
  if (!state.about) note("The models are loading; then this picture is looked at …");
  try {
    const found = await photoCall(async (signal) => {
      await ready;
      if (signal.aborted) return null;
      note("Looking for faces …");
      const most = state.about.upload.bytes;
      if (blob.size > most) throw new Error(`the file is over ${most / 2 ** 20} MiB; make it smaller`);
      return api.photo(blob, cropped, prior(), signal);
    });
    if (!found) return;
    keep(found);
    say();
    if (found.faces.length) choose(0, found.faces.length === 1);
    else noFace(blob);
  } catch (error) {
    state.found = null;
    forget();
    $("result").hidden = true;
    complain(error.message);
  }
}

function keep(found) {
  state.found = found;
  showPhoto(state.blob, found, choose);
}

// Emotions are as frequent as somebody says: the same faces, answered for it.
const assume = () => guarded(async () => {
  $("assumed").textContent = assumed(model(), state.about);
  const asked = prior();
  const found = await photoCall((signal) => api.photo(state.blob, state.found.cropped, asked, signal));
  if (!found) return;
  keep(found);
  markChosen(state.chosen);
  await refresh();
  if ($("table").firstChild) await whatIf();
});

function noFace(blob) {
  $("result").hidden = true;
  $("found").textContent = "";
  const button = element("button", { type: "button", id: "as-cropped" }, "Take it as a cropped face");
  button.addEventListener("click", () => take(blob, true));
  say(element("div", { className: "note" }, element("p", {}, "No face was found in this picture."), button));
}

function choose(i, follow = true) {
  state.chosen = i;
  markChosen(i);
  reset();
  $("table").replaceChildren();
  $("result").hidden = false;
  const hidden = Object.entries(face().hidden ?? {}).filter(([, p]) => p > state.about.hidden_from);
  $("hidden-features").textContent = hidden.length
    ? `Looks hidden: ${hidden.map(([name]) => spaced(name)).join(", ")}` : "";
  refresh();
  if (follow && $("result").getBoundingClientRect().top > 0.7 * innerHeight) toResult();
}

function toResult() {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  $("result").scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
}

function reset() {
  for (const input of document.querySelectorAll('input[name="feature"]')) input.checked = false;
  document.querySelector('input[name="worn"][value=""]').checked = true;
}

// Something was switched: ask again, and show what came.
const refresh = () => guarded(async () => {
  const before = face();
  const question = {
    face: before.face, left_out: leftOut(), worn: worn(), fill: $("fill").value,
    models: shownModels().map((m) => m.name), prior: prior(),
  };
  const now = isChanged() ? await faceCall((signal) => api.ask("face", question, signal)) : (faceCall(async () => null), before);
  if (!now) return;
  state.now = now;
  state.overlays = {};
  showAnswers();
  await overlay();
});

function showAnswers() {
  const before = face().answers, changes = isChanged();
  const seen = document.querySelector(".seen"), models = shownModels().length;
  seen.classList.toggle("many", models > 1);
  seen.dataset.models = models;
  const fresh = shownModels().map((m) => answerOf(m, state.now.answers[m.name], changes ? before[m.name] : null, state.about.emotions, changes ? change(leftOut(), worn()) : ""));
  const there = [...$("answers").children];
  if (there.length !== fresh.length || !fresh.every((block, i) => update(there[i], block))) $("answers").replaceChildren(...fresh);
  $("save").hidden = !changes;
  const done = [...leftOut().map((name) => changed("left_out", name)), ...(worn() ? [changed("worn", worn())] : [])];
  $("face").setAttribute("aria-label", ["The face as the model sees it", ...done].join(", "));
  const said = shownModels().map((m) => `${shownModels().length > 1 ? `${m.name}: ` : ""}${sentence(state.now.answers[m.name])}`);
  $("live").textContent = `${done.length ? `${capital(done.join(", "))}. ` : ""}${said.join(". ")}.`;
}

const save = () => savePair({
  before: face(), now: state.now, models: shownModels(),
  what: [...(worn() ? [changed("worn", worn())] : []), ...leftOut().map((name) => changed("left_out", name))],
});

// What is laid over the face, and what it means.
async function overlay() {
  const kind = picked("overlay");
  $("emotion-label").hidden = kind !== "saliency";
  $("clusters-label").hidden = kind !== "clusters";
  if (!kind) {
    paint($("face"), state.now.face);
    $("legend").textContent = "";
    return;
  }
  const what = kind === "saliency" ? "saliency" : "attention";
  if (!state.overlays[what]) {
    paint($("face"), state.now.face);
    const question = { face: state.now.face, model: model().name, clusters: Number($("clusters").value), prior: prior() };
    $("legend").textContent = "Looking …";
    const found = await overlayCall((signal) => api.ask(what, question, signal));
    if (!found) return;
    state.overlays[what] = found;
  }
  const now = picked("overlay");
  if (now !== kind) return;
  const emotion = $("emotion").value || state.now.answers[model().name].most_probable;
  const map = now === "saliency" ? state.overlays.saliency.saliency[emotion] : state.overlays.attention[now];
  paint($("face"), state.now.face, { kind: now, map });
  $("legend").replaceChildren(...LEGENDS[now](emotion));
}

const network = () => `a separate attention network (${state.about.attention.network}, ${percent(state.about.attention.accuracy)} right on FER2013), not ${model().name}`;
const LEGENDS = {
  saliency: (emotion) => [
    `Orange: what speaks for ${emotion}. Covering these pixels lowers ${model().name}’s probability of ${emotion}, by at most ${Math.round(100 * state.overlays.saliency.peaks[emotion])} points (saliency by occlusion, an 8×8 grey window).`,
  ],
  attention: () => [`Blue: where ${network()}, looks (attention). Its brightest and darkest place set the scale.`],
  clusters: () => {
    const names = [...Array(Number($("clusters").value)).keys()].map((k) => {
      const dot = element("i");
      dot.style.backgroundColor = `rgb(${CLUSTERS[k].join(" ")})`;
      return element("span", {}, dot, k === 0 ? "1, most attended" : String(k + 1));
    });
    return [
      element("span", { className: "key" }, ...names), element("br"),
      `The face in pieces that lie together and are looked at alike: K-means over place and attention (Equation 1 of the paper). The attention is that of ${network()}.`,
    ];
  },
};

const whatIf = () => guarded(async () => {
  const button = $("what-if");
  button.setAttribute("aria-busy", "true");
  try {
    const question = { face: face().face, model: model().name, fill: $("fill").value, prior: prior() };
    const found = await tableCall((signal) => api.ask("what-if", question, signal));
    if (!found) return;
    $("table").replaceChildren(table(found, state.about.emotions, show));
    $("live").textContent = `The table shows ${found.rows.length} changes.`;
  } finally {
    button.removeAttribute("aria-busy");
  }
});

// A row of the table was chosen: change the face so.
function show(row) {
  reset();
  const input = document.querySelector(`input[name="${row.change === "worn" ? "worn" : "feature"}"][value="${row.name}"]`);
  input.checked = true;
  refresh();
  toResult();
}

function chip(type, name, value, text, checked = false) {
  const input = element("input", { type, name, value, checked });
  if (type === "checkbox") input.setAttribute("role", "switch");
  return element("label", { className: "chip" }, input, element("span", {}, text));
}

const option = (value, text) => element("option", { value }, text);

function build(about) {
  state.about = about;
  $("model").append(...about.models.map((m) => option(m.name, m.name)));
  priors(about, assume);
  $("assumed").textContent = assumed(model(), about);
  $("features").append(...about.features.map((name) => chip("checkbox", "feature", name, name === "eyes" ? "both eyes" : spaced(name))));
  $("worn").append(chip("radio", "worn", "", "none", true), ...about.worn.map((kind) => chip("radio", "worn", kind, mask(kind))));
  $("fill").append(...about.fills.map((name) => option(name, fill(name))));
  const overlays = [["", "nothing"], ["saliency", "what speaks for it"]];
  if (about.attention) overlays.push(["clusters", "pieces it is cut into"], ["attention", "where a network looks"]);
  $("overlays").append(...overlays.map(([kind, text], i) => chip("radio", "overlay", kind, text, i === 0)));
  $("emotion").append(option("", "its answer"), ...about.emotions.map((e) => option(e, e)));
  $("clusters").append(...[2, 3, 4, 5, 6].map((k) => option(String(k), String(k))));
  $("clusters").value = "3";
  if (about.models.length < 2) {
    $("model-label").hidden = true;
    $("compare").disabled = true;
    $("compare").parentElement.hidden = true;
    $("one-model").hidden = false;
    $("one-model").textContent = `One model is here: ${about.models[0].name}. Start with --model and a run folder to compare it with yours.`;
  }
}

// Pictures are taken from the start; all else waits for the models.
function receive() {
  listen((blob) => take(blob), complain);
  examples((name, cropped) => guarded(async () => take(await api.example(name), cropped)));
  $("cropped").addEventListener("change", () => {
    state.wantCropped = $("cropped").checked;
    if (state.blob) take(state.blob);
  });
}

function connect() {
  for (const id of ["features", "worn", "fill"]) $(id).addEventListener("change", refresh);
  $("fill").addEventListener("change", () => { if ($("table").firstChild) whatIf(); });
  $("reset").addEventListener("click", () => { reset(); refresh(); });
  $("compare").addEventListener("change", () => { $("answers").replaceChildren(); refresh(); });
  $("model").addEventListener("change", () => { $("assumed").textContent = assumed(model(), state.about); $("answers").replaceChildren(); refresh(); if ($("table").firstChild) whatIf(); });
  for (const id of ["overlays", "emotion"]) $(id).addEventListener("change", () => guarded(overlay));
  $("clusters").addEventListener("change", () => { state.overlays = {}; guarded(overlay); });
  $("what-if").addEventListener("click", whatIf);
  $("save").addEventListener("click", () => guarded(save));
}

receive();
const ready = api.about().then((about) => {
  build(about);
  connect();
  document.body.dataset.ready = "true";
});
guarded(() => ready);
