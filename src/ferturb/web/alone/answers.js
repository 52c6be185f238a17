// What the page is answered: ferturb.web.answers without a server. Pictures in, plain values out.
import { align } from "./alignment.js";
import { detect } from "./detection.js";
import { inReadingOrder } from "./geometry.js";
import { hidden } from "./hidden.js";
import { occlusionMaps } from "./occlusion.js";
import { grey, resize } from "./resample.js";

const SIDE = 48, PIXELS = SIDE * SIDE;

export const packed = (face) => btoa(String.fromCharCode(...face));
export const unpacked = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const split = (data, n, size) => Array.from({ length: n }, (_, i) => data.subarray(i * size, (i + 1) * size));

// Calls `work` with so many values at a time, one batch after the other.
async function batched(values, size, work) {
  const found = [];
  for (let i = 0; i < values.length; i += size) found.push(...await work(values.slice(i, i + size)));
  return found;
}

function stacked(faces) {
  const data = new Uint8Array(faces.length * PIXELS);
  faces.forEach((face, i) => data.set(face, i * PIXELS));
  return ["uint8", data, [faces.length, SIDE, SIDE]];
}

// A picture that is one face: its central square.
export function wholeFace(photo) {
  const side = Math.min(photo.width, photo.height);
  const left = Math.floor((photo.width - side) / 2), top = Math.floor((photo.height - side) / 2);
  const box = [left, top, left + side, top + side], shown = grey(photo);
  return { box, score: 1, face: resize(shown, SIDE, SIDE, "bicubic", box).data };
}

// Probabilities that held for one prior's frequencies, as they are for another's: Bayes' rule.
export function shifted(row, before, after) {
  const moved = row.map((p, i) => (p * after[i]) / before[i]), sum = moved.reduce((a, b) => a + b, 0);
  return moved.map((p) => p / sum);
}

function scaled(map) {
  const top = Math.max(...map);
  return Uint8Array.from(map, (v) => Math.round(top > 0 ? (v * 255) / top : 0));
}

export class Answers {
  // `networks`: name -> function from named tensors to named tensors.
  constructor(settings, networks) {
    Object.assign(this, { settings, networks });
    this.find = this.find.bind(this);
  }

  // { data (red, green, blue), width, height }, and the size of the picture as it is shown.
  async photo(photo, size, cropped, prior = null) {
    const found = cropped ? [wholeFace(photo)] : await this.faces(photo);
    const faces = found.map(({ face }) => face), marks = await this.find(faces);
    const answers = await this.answers(faces, marks, this.settings.about.models, prior);
    const scale = size[0] / photo.width;
    return {
      size, cropped,
      faces: found.map(({ box, score, face }, i) => ({
        box: box.map((v) => v * scale), score, face: packed(face), answers: answers[i],
        landmark_confidence: marks[i].confidence, hidden: hidden(face, marks[i], this.settings.hidden),
      })),
    };
  }

  async face({ face, left_out = [], worn = null, fill = "mean", models, prior = null }) {
    const shown = await this.altered(unpacked(face), left_out, worn, fill);
    const chosen = this.settings.about.models.filter(({ name }) => models.includes(name));
    const [answers] = await this.answers([shown], await this.find([shown]), chosen, prior);
    return { face: packed(shown), answers };
  }

  async whatIf({ face, model, fill = "mean", prior = null }) {
    const before = unpacked(face), [{ points }] = await this.find([before]), { features, worn } = this.settings.about;
    const faces = [before, ...await this.leftOut(before, points, features.map((name) => [name]), fill)];
    for (const kind of worn) faces.push(await this.wearing(before, points, kind));
    const answers = await this.answers(faces, await this.find(faces), this.settings.about.models.filter(({ name }) => name === model), prior);
    const [whole, ...rows] = answers.map((by) => by[model]);
    const names = [...features.map((name) => ["left_out", name]), ...worn.map((name) => ["worn", name])];
    return { model, before: whole, rows: rows.map((row, i) => ({ change: names[i][0], name: names[i][1], face: packed(faces[i + 1]), ...row })) };
  }

  async saliency({ face, model, prior = null }) {
    const maps = await occlusionMaps((faces) => this.probabilities(model, faces, prior), unpacked(face), this.settings.occlusion);
    const named = (made) => Object.fromEntries(this.settings.about.emotions.map((emotion, i) => [emotion, made(maps[i])]));
    return { model, saliency: named((map) => packed(scaled(map))), peaks: named((map) => Math.max(...map)) };
  }

  // The faces cut out of a photo, in reading order: boxes that are sure, or in which landmarks are found.
  async faces(photo) {
    const { detection, alignment, crops, about } = this.settings;
    const run = (data, dims) => this.networks.centerface({ photo: ["float32", data, dims] });
    const found = (await detect(photo, run, detection)).slice(0, about.most_faces);
    const aligned = await align(grey(photo), found.map(({ box }) => box), this.find, alignment);
    const cut = found.map((one, i) => ({ ...one, ...aligned[i] }));
    return inReadingOrder(cut.filter(({ score, confidence }) => score >= crops.sure || confidence >= crops.likely));
  }

  find(faces) {
    return batched(faces, 32, async (some) => {
      const { points, confidence, errors } = await this.networks.landmarks({ faces: stacked(some) });
      const count = points.dims[1];
      return some.map((_, i) => ({
        points: split(points.data.subarray(2 * count * i), count, 2).map((p) => [...p]),
        confidence: confidence.data[i], errors: errors.data.slice(count * i, count * (i + 1)),
      }));
    });
  }

  // `prior`: the frequencies of emotions for which to answer, or their name; null for the model's own.
  probabilities(model, faces, prior = null) {
    const { models, priors } = this.settings.about, own = models.find(({ name }) => name === model).prior;
    const asked = priors[prior] ?? prior ?? own;
    return batched(faces, 64, async (some) => {
      const { data, dims } = (await this.networks[model]({ faces: stacked(some) })).probabilities;
      return split(data, some.length, dims[1]).map((row) => shifted([...row], own, asked));
    });
  }

  // For each face, by model: its probabilities, and the emotion or null, where it doesn't know.
  async answers(faces, marks, models, prior = null) {
    const found = faces.map(() => ({})), { emotions } = this.settings.about;
    for (const { name, threshold: least } of models) {
      (await this.probabilities(name, faces, prior)).forEach((row, i) => {
        const top = Math.max(...row), most = emotions[row.indexOf(top)];
        const known = marks[i].confidence >= this.settings.crops.landmarks_from && top >= least;
        const probabilities = Object.fromEntries(emotions.map((emotion, k) => [emotion, row[k]]));
        found[i][name] = { probabilities, most_probable: most, emotion: known ? most : null };
      });
    }
    return found;
  }

  async altered(face, leftOut, worn, fill) {
    if (!leftOut.length && worn === null) return face;
    const [{ points }] = await this.find([face]);
    const shown = worn === null ? face : await this.wearing(face, points, worn);
    return leftOut.length ? (await this.leftOut(shown, points, [leftOut], fill))[0] : shown;
  }

  async leftOut(face, points, choices, fill) {
    const { features } = this.settings.about;
    const rows = Uint8Array.from(choices.flatMap((names) => features.map((name) => Number(names.includes(name)))));
    const left = ["bool", rows, [choices.length, features.length]];
    const found = await this.networks.left_out({ ...inputs(face, points), left_out: left });
    return split(found[fill].data, choices.length, PIXELS);
  }

  async wearing(face, points, kind) {
    return (await this.networks[`worn_${kind}`](inputs(face, points))).worn.data.slice(0, PIXELS);
  }
}

function inputs(face, points) {
  return { face: stacked([face]), points: ["float32", Float32Array.from(points.flat()), [1, points.length, 2]] };
}
