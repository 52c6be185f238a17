// Pictures of 8 bits made smaller, larger or turned, to the bit as Pillow does it: what the networks
// were trained and measured on. A picture is { data, width, height, bands }, bands interleaved.

// Half goes to the even neighbour, as in Python and NumPy.
export function rounded(x) {
  const low = Math.floor(x), over = x - low;
  return over < 0.5 || (over === 0.5 && low % 2 === 0) ? low : low + 1;
}

const FILTERS = {
  box: [0.5, (x) => (x > -0.5 && x <= 0.5 ? 1 : 0)],
  bilinear: [1, (x) => Math.max(0, 1 - Math.abs(x))],
  bicubic: [2, (t) => {
    const x = Math.abs(t), a = -0.5;
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
  }],
};
const BITS = 22;  // of a weight, in whole numbers

// For each pixel of a side: where it begins to read, and its weights.
function weights(from, to, size, out, filter) {
  const [reach, curve] = FILTERS[filter];
  const scale = (to - from) / out, wide = Math.max(scale, 1), support = reach * wide;
  return Array.from({ length: out }, (_, i) => {
    const middle = from + (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(middle - support + 0.5));
    const last = Math.min(size, Math.trunc(middle + support + 0.5));
    const found = [];
    for (let x = first; x < last; x++) found.push(curve((x - middle + 0.5) * (1 / wide)));
    const total = found.reduce((a, b) => a + b, 0);
    const whole = found.map((w) => {
      const scaled = (total === 0 ? w : w / total) * 2 ** BITS;
      return Math.trunc(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    });
    return { first, whole };
  });
}

// One pass: `lines` lines, in which neighbours are `step` values apart and lines `apart` values.
function pass(data, out, found, lines, [step, apart], [stepOut, apartOut]) {
  for (let i = 0; i < found.length; i++) {
    const { first, whole } = found[i];
    for (let line = 0; line < lines; line++) {
      let sum = 1 << (BITS - 1);
      for (let k = 0, at = line * apart + first * step; k < whole.length; k++, at += step) sum += data[at] * whole[k];
      out[line * apartOut + i * stepOut] = sum >> BITS;  // the array clips to 0 … 255
    }
  }
  return out;
}

function across({ data, width, height, bands }, to, filter, [left, , right]) {
  if (to === width && left === 0 && right === width) return { data, width, height, bands };
  const found = weights(left, right, width, to, filter), out = new Uint8ClampedArray(to * height * bands);
  for (let b = 0; b < bands; b++) {
    pass(data.subarray(b), out.subarray(b), found, height, [bands, width * bands], [bands, to * bands]);
  }
  return { data: out, width: to, height, bands };
}

function down({ data, width, height, bands }, to, filter, [, top, , bottom]) {
  if (to === height && top === 0 && bottom === height) return { data, width, height, bands };
  const found = weights(top, bottom, height, to, filter), row = width * bands, out = new Uint8ClampedArray(row * to);
  return { data: pass(data, out, found, row, [row, 1], [row, 1]), width, height: to, bands };
}

// `box`: left, top, right, bottom of the part that becomes the new picture. Like Pillow 13, which
// makes a picture lower first where that takes away more than twice as much as making it narrower.
export function resize(picture, width, height, filter = "bicubic", box = [0, 0, picture.width, picture.height]) {
  const lower = height < picture.height && picture.height - height > 2 * (picture.width - width);
  return lower
    ? across(down(picture, height, filter, box), width, filter, box)
    : down(across(picture, width, filter, box), height, filter, box);
}

// Luma (ITU-R 601-2) of red, green, blue.
export function grey({ data, width, height }) {
  const out = new Uint8ClampedArray(width * height);
  for (let i = 0, k = 0; i < out.length; i++, k += 3) {
    out[i] = (data[k] * 19595 + data[k + 1] * 38470 + data[k + 2] * 7471 + 0x8000) >> 16;
  }
  return { data: out, width, height, bands: 1 };
}

function cubic(a, b, c, d, t) {
  return b + t * (-a + c + t * (2 * (a - b) + c - d + t * (-a + b - c + d)));
}

const clip = (x, size) => Math.min(Math.max(x, 0), size - 1);

// A grey picture read at x' = a x + b y + c, y' = d x + e y + f, counted from the corners of pixels.
export function affine({ data, width, height }, side, [a, b, c, d, e, f]) {
  const out = new Uint8ClampedArray(side * side), column = [0, 0, 0, 0];
  for (let i = 0; i < side; i++) {
    for (let j = 0; j < side; j++) {
      const u = a * (j + 0.5) + b * (i + 0.5) + c, v = d * (j + 0.5) + e * (i + 0.5) + f;
      if (u < 0 || v < 0 || u >= width || v >= height) continue;
      const x = Math.floor(u - 0.5), y = Math.floor(v - 0.5), s = u - 0.5 - x;
      for (let k = 0; k < 4; k++) {
        const row = clip(y - 1 + k, height) * width;
        const [p, q, r, t] = [-1, 0, 1, 2].map((o) => data[row + clip(x + o, width)]);
        column[k] = cubic(p, q, r, t, s);
      }
      out[i * side + j] = Math.floor(Math.max(0, cubic(...column, v - 0.5 - y)));
    }
  }
  return { data: out, width: side, height: side, bands: 1 };
}
