// The worker of a page without a server: opens the networks, and answers one question at a time.
import { Answers } from "./answers.js";
import { open, prepare } from "./networks.js";

let answers = null, turn = Promise.resolve();
const given_up = new Set();

async function load() {
  const settings = await (await fetch(new URL("../settings.json", import.meta.url))).json();
  const networks = {}, files = Object.entries(settings.networks);
  await prepare(settings.runtime);
  for (const [i, [name, file]] of files.entries()) {
    self.postMessage({ loaded: i / files.length });
    networks[name] = await open(file);
  }
  answers = new Answers(settings, networks);
  return settings.about;
}

// A picture's pixels as the server's page has them: upright, on grey, at most so many on a side.
async function pixels(blob, { longest, ground, most }) {
  const read = (options) => createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none", ...options });
  const image = await read({}).catch(() => {
    throw new Error(blob.size ? "this browser can’t read the picture; save it as JPEG or PNG" : "the file is empty");
  });
  const { width, height } = image;
  if (width * height > most) throw new Error(`the picture has ${Math.round(width * height / 1e6)} megapixels; at most ${Math.round(most / 1e6)} are read`);
  const factor = Math.min(1, longest / Math.max(width, height));
  const [wide, high] = [width, height].map((side) => Math.max(1, Math.round(side * factor)));
  const context = new OffscreenCanvas(wide, high).getContext("2d", { alpha: false });
  context.fillStyle = `rgb(${ground} ${ground} ${ground})`;
  context.fillRect(0, 0, wide, high);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, wide, high);
  image.close();
  const rgba = context.getImageData(0, 0, wide, high).data, data = new Uint8ClampedArray(3 * wide * high);
  for (let i = 0, k = 0; i < data.length; i += 3, k += 4) [data[i], data[i + 1], data[i + 2]] = [rgba[k], rgba[k + 1], rgba[k + 2]];
  return [{ data, width: wide, height: high, bands: 3 }, [width, height]];
}

const QUESTIONS = {
  about: load,
  photo: async ({ blob, cropped, prior }) => answers.photo(...await pixels(blob, answers.settings.photo), cropped, prior),
  face: (question) => answers.face(question),
  "what-if": (question) => answers.whatIf(question),
  saliency: (question) => answers.saliency(question),
};

self.onmessage = ({ data: { id, what, question, give_up } }) => {
  if (give_up) {
    given_up.add(id);
    return;
  }
  turn = turn.then(async () => {
    if (given_up.delete(id)) return;
    try {
      self.postMessage({ id, answer: await QUESTIONS[what](question) });
    } catch (error) {
      self.postMessage({ id, error: error.message });
    }
  });
};
