// The face before and after a change, with what the models say, as a picture to keep.
import { thumbnail } from "./faces.js";
import { capital, element, percent } from "./words.js";

const SIDE = 336, EDGE = 24, LINE = 24;

function said({ name }, { emotion, most_probable: most, probabilities }) {
  return emotion === null ? `${name}: doesn’t know (${most} ${percent(probabilities[most])})` : `${name}: ${emotion}, ${percent(probabilities[most])} sure`;
}

function draw({ before, now, models, what }) {
  const width = 2 * SIDE + 3 * EDGE, height = SIDE + 2 * EDGE + LINE * (models.length + 2);
  const canvas = element("canvas", { width: 2 * width, height: 2 * height }), context = canvas.getContext("2d");
  context.scale(2, 2);
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingEnabled = false;
  for (const [i, { shown, title }] of [{ shown: before, title: "The whole face" }, { shown: now, title: capital(what.join(", ")) }].entries()) {
    const left = EDGE + i * (SIDE + EDGE);
    const write = (text, line, font) => {
      context.font = `${font} 15px system-ui, sans-serif`;
      context.fillText(text, left, EDGE + SIDE + LINE * line, SIDE);
    };
    context.drawImage(thumbnail(shown.face), left, EDGE, SIDE, SIDE);
    context.fillStyle = "#17212b";
    write(title, 1, "600");
    models.forEach((model, k) => write(said(model, shown.answers[model.name]), k + 2, "400"));
  }
  context.fillStyle = "#51606e";
  context.font = "12px system-ui, sans-serif";
  context.fillText("ferturb. What a face looks like to a model; expressions are not feelings.", EDGE, height - EDGE / 2);
  return canvas;
}

export async function savePair(pair) {
  const blob = await new Promise((resolve) => { draw(pair).toBlob(resolve, "image/png"); });
  const href = URL.createObjectURL(blob), name = pair.what.join(" ").replaceAll(/[^\w]+/g, "-");
  element("a", { href, download: `ferturb-${name}.png` }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}
