// From boxes in a photo to upright 48×48 faces: what ferturb.predict.alignment does.
import { applied, chained, inverse, similarity } from "./geometry.js";
import { affine, resize, rounded } from "./resample.js";

const SIDE = 48;

// The similarity from a face to a box's square in the photo.
export function square([left, top, right, bottom], margin) {
  const side = margin * Math.max(right - left, bottom - top, 1), scale = side / SIDE;
  const x = left + (right - left) / 2 - side / 2, y = top + (bottom - top) / 2 - side / 2;
  return [scale, 0, x + (scale - 1) / 2, 0, scale, y + (scale - 1) / 2];
}

// The part of a photo around a face, padded, made smaller if it is far finer than needed.
function near(grey, place, step) {
  const corners = [[0, 0], [SIDE - 1, 0], [0, SIDE - 1], [SIDE - 1, SIDE - 1]].map((p) => applied(place, p));
  const [low, high] = [0, 1].map((k) => corners.map((p) => p[k])).reduce(([lows, highs], values) => [
    [...lows, Math.floor(Math.min(...values)) - 3], [...highs, Math.ceil(Math.max(...values)) + 4],
  ], [[], []]);
  const width = high[0] - low[0], height = high[1] - low[1], data = new Uint8ClampedArray(width * height);
  const clip = (v, size) => Math.min(Math.max(v, 0), size - 1);
  for (let y = 0; y < height; y++) {
    const row = clip(low[1] + y, grey.height) * grey.width;
    for (let x = 0; x < width; x++) data[y * width + x] = grey.data[row + clip(low[0] + x, grey.width)];
  }
  const picture = { data, width, height, bands: 1 };
  const [a, b, c, d, e, f] = [place[0], place[1], place[2] - low[0], place[3], place[4], place[5] - low[1]];
  if (step <= 2) return [picture, [a, b, c, d, e, f]];
  const wide = Math.max(1, rounded(width / step)), tall = Math.max(1, rounded(height / step));
  const u = wide / width, v = tall / height;
  return [resize(picture, wide, tall, "box"), [a * u, b * u, (c + 0.5) * u - 0.5, d * v, e * v, (f + 0.5) * v - 0.5]];
}

// The 48×48 face at a place of a photo; what lies outside repeats the photo's edge.
export function cut(grey, place, finest) {
  const scale = Math.hypot(place[0], place[3]);
  const finer = Math.min(Math.max(Math.ceil(scale), 1), finest);
  const [picture, [a, b, c, d, e, f]] = near(grey, place, scale / finer);
  // Pillow counts from the corner of a pixel, ferturb from its centre.
  const read = affine(picture, SIDE * finer, [
    a / finer, b / finer, c + 0.5 - 0.5 * (a + b), d / finer, e / finer, f + 0.5 - 0.5 * (d + e),
  ]);
  return (finer > 1 ? resize(read, SIDE, SIDE) : read).data;
}

// The turn of one place, its size and middle the share `follow` of the way from the other's.
function between(square, turned, follow) {
  const ratio = (Math.hypot(square[0], square[3]) / Math.hypot(turned[0], turned[3])) ** (1 - follow);
  const [a, b, d, e] = [turned[0], turned[1], turned[3], turned[4]].map((v) => v * ratio);
  const middle = [(SIDE - 1) / 2, (SIDE - 1) / 2], from = applied(square, middle), to = applied(turned, middle);
  const [x, y] = [0, 1].map((k) => (1 - follow) * from[k] + follow * to[k]);
  return [a, b, x - (a + b) * middle[0], d, e, y - (d + e) * middle[1]];
}

// Every box of a photo as an upright face; `find` gives the landmarks of faces.
export async function align(grey, boxes, find, { margin, follow, sure, most_change, finer, mean_shape, turned_by }) {
  const places = boxes.map((box) => square(box, margin));
  const found = await find(places.map((place) => cut(grey, place, finer)));
  const target = mean_shape.slice(0, turned_by);
  const turned = places.map((place, i) => {
    if (found[i].confidence < sure) return place;
    const onto = similarity(found[i].points.slice(0, turned_by), target), size = Math.hypot(onto[0], onto[3]);
    if (size <= 1 / most_change || size >= most_change) return place;
    return between(place, chained(place, inverse(onto)), follow);
  });
  return turned.map((place, i) => ({ face: cut(grey, place, finer), confidence: found[i].confidence }));
}
