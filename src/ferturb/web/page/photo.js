// The picture with its boxes, and the faces in it to choose from.
import { thumbnail } from "./faces.js";
import { element, percent } from "./words.js";

const $ = (id) => document.getElementById(id);
let address = null;

export function forget() {
  if (address) URL.revokeObjectURL(address);
  address = null;
  $("photo").hidden = $("faces").hidden = true;
}

export function showPhoto(blob, found, choose) {
  forget();
  const image = $("shown");
  address = URL.createObjectURL(blob);
  image.onload = () => { $("photo").hidden = false; };
  image.onerror = () => { $("photo").hidden = true; };  // a format that this browser can't show
  image.src = address;
  $("boxes").replaceChildren(...(found.cropped ? [] : found.faces.map((face, i) => box(face, i, found, () => choose(i)))));
  const many = found.faces.length;
  $("found").textContent = found.cropped ? "Taken as one face." : many === 1 ? "1 face found." : `${many} faces found. Choose one. ${tally(found.faces)}`;
  $("faces").replaceChildren(...found.faces.map((face, i) => pick(face, i, () => choose(i))));
  $("faces").hidden = many < 2;
}

// How often each answer was given, in words: "12 happy, 3 not sure".
function tally(faces) {
  const counts = {};
  for (const { answers } of faces) {
    const name = Object.values(answers)[0].emotion ?? "not sure (?)";
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return `${Object.entries(counts).sort((a, b) => b[1] - a[1]).map(([name, n]) => `${n} ${name}`).join(", ")}.`;
}

function box(face, i, { faces, size: [width, height] }, choose) {
  const [left, top, right, bottom] = face.box;
  const button = element("button", { type: "button", tabIndex: -1 });
  button.style.left = `${100 * left / width}%`;
  button.style.top = `${100 * top / height}%`;
  button.style.width = `${100 * (right - left) / width}%`;
  button.style.height = `${100 * (bottom - top) / height}%`;
  if (faces.length > 1) button.append(element("span", {}, String(i + 1)));
  button.addEventListener("click", choose);
  return button;
}

function pick(face, i, choose) {
  const answer = Object.values(face.answers)[0];
  const most = `${answer.most_probable} ${percent(answer.probabilities[answer.most_probable])}`;
  const button = element("button", { type: "button" }, thumbnail(face.face), element("span", {}, element("b", {}, String(i + 1)), answer.emotion === null ? ` ? ${most}` : ` ${most}`));
  button.setAttribute("aria-label", `Face ${i + 1}: ${answer.emotion === null ? "not sure, " : ""}${most}`);
  button.addEventListener("click", choose);
  return button;
}

export function markChosen(i) {
  [...$("faces").children].forEach((button, k) => button.setAttribute("aria-pressed", String(k === i)));
  [...$("boxes").children].forEach((button, k) => button.classList.toggle("chosen", k === i));
}
