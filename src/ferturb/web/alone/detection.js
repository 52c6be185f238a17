// The faces of a photo: what CenterFace in ferturb.predict.detection does.
import { suppressed } from "./geometry.js";
import { resize, rounded } from "./resample.js";

// As NumPy keeps boxes: in single precision.
const single = (box) => box.map(Math.fround);

// Boxes from the network's maps: a face's middle, its size and an offset in every cell.
export function decoded({ heat, size, offset }, threshold, most) {
  const [rows, columns] = heat.dims.slice(2), cells = rows * columns, found = [];
  for (let i = 0; i < cells; i++) {
    if (heat.data[i] > threshold) found.push(i);
  }
  return found.sort((a, b) => heat.data[b] - heat.data[a]).slice(0, 20 * most).map((i) => {
    const extent = (band) => 4 * Math.fround(Math.exp(Math.min(Math.max(size.data[band * cells + i], -8), 8)));
    const height = extent(0), width = extent(1);
    const y = 4 * (Math.floor(i / columns) + offset.data[i] + 0.5);
    const x = 4 * ((i % columns) + offset.data[cells + i] + 0.5);
    return { box: single([x - width / 2, y - height / 2, x + width / 2, y + height / 2]), score: heat.data[i] };
  });
}

// The photo at the network's size, as float planes whose sides are multiples of 32.
function framed(photo, width, height) {
  const shown = resize(photo, width, height, "bilinear");
  const wide = 32 * Math.ceil(width / 32), high = 32 * Math.ceil(height / 32);
  const planes = new Float32Array(3 * wide * high);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) planes[(c * high + y) * wide + x] = shown.data[3 * (y * width + x) + c];
    }
  }
  return [planes, [1, 3, high, wide]];
}

async function look(photo, run, { longest, least, most_enlarged, threshold, most, overlap }) {
  const side = Math.max(photo.width, photo.height);
  const factor = Math.min(longest / side, Math.max(1, Math.min(most_enlarged, least / side)));
  const width = Math.max(1, rounded(photo.width * factor)), height = Math.max(1, rounded(photo.height * factor));
  const found = decoded(await run(...framed(photo, width, height)), threshold, most);
  const x = photo.width / width, y = photo.height / height;
  const scaled = found.map(({ box: [l, t, r, b], score }) => ({ box: [l * x, t * y, r * x, b * y], score }));
  return suppressed(scaled, overlap).slice(0, most).map(({ box, score }) => ({ box: single(box), score }));
}

function bordered({ data, width, height }, border) {
  const wide = width + 2 * border, high = height + 2 * border, out = new Uint8ClampedArray(3 * wide * high);
  for (let y = 0; y < high; y++) {
    const row = Math.min(Math.max(y - border, 0), height - 1) * width;
    for (let x = 0; x < wide; x++) {
      const from = 3 * (row + Math.min(Math.max(x - border, 0), width - 1)), to = 3 * (y * wide + x);
      for (let c = 0; c < 3; c++) out[to + c] = data[from + c];
    }
  }
  return { data: out, width: wide, height: high, bands: 3 };
}

// [{ box, score }], the most certain first; `run` takes float planes and their shape. If there are
// none in the photo, it is looked at with a border around it: faces are found that fill it.
export async function detect(photo, run, options) {
  const found = await look(photo, run, options);
  if (found.length) return found;
  const longer = Math.max(photo.width, photo.height), border = Math.floor(longer / 2);
  const padded = bordered(photo, border), factor = longer / Math.max(padded.width, padded.height);
  const width = Math.max(1, rounded(padded.width * factor)), height = Math.max(1, rounded(padded.height * factor));
  const scale = padded.height / height, again = await look(resize(padded, width, height), run, options);
  return again.map(({ box, score }) => ({ box: single(box.map((v) => v * scale - border)), score }));
}
