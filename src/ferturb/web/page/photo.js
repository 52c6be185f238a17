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
  $("boxes").replaceChildren(...(found.cropped ? [] : found.faces.map((face, i) => box(face, found.size, () => choose(i)))));
  const many = found.faces.length;
  $("found").textContent = found.cropped ? "Taken as one face." : many === 1 ? "1 face found." : `${many} faces found. Choose one.`;
  $("faces").replaceChildren(...found.faces.map((face, i) => pick(face, i, () => choose(i))));
  $("faces").hidden = many < 2;
}

function box(face, [width, height], choose) {
  const [left, top, right, bottom] = face.box;
  const button = element("button", { type: "button", tabIndex: -1 });
  button.style.left = `${100 * left / width}%`;
  button.style.top = `${100 * top / height}%`;
  button.style.width = `${100 * (right - left) / width}%`;
  button.style.height = `${100 * (bottom - top) / height}%`;
  button.addEventListener("click", choose);
  return button;
}

function pick(face, i, choose) {
  const answer = Object.values(face.answers)[0];
  const most = `${answer.most_probable} ${percent(answer.probabilities[answer.most_probable])}`;
  const button = element("button", { type: "button" }, thumbnail(face.face), answer.emotion === null ? `? ${most}` : most);
  button.setAttribute("aria-label", `Face ${i + 1}: ${answer.emotion === null ? "not sure, " : ""}${most}`);
  button.addEventListener("click", choose);
  return button;
}

export function markChosen(i) {
  [...$("faces").children].forEach((button, k) => button.setAttribute("aria-pressed", String(k === i)));
  [...$("boxes").children].forEach((button, k) => button.classList.toggle("chosen", k === i));
}
