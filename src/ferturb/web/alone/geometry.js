// Boxes and similarity transforms: what ferturb.predict.geometry does. A similarity is
// [a, b, c, d, e, f]: x' = a x + b y + c, y' = d x + e y + f.

function overlap(one, other) {
  const wide = Math.max(0, Math.min(one[2], other[2]) - Math.max(one[0], other[0]));
  const high = Math.max(0, Math.min(one[3], other[3]) - Math.max(one[1], other[1]));
  const area = ([l, t, r, b]) => Math.max(0, r - l) * Math.max(0, b - t);
  return (wide * high) / Math.max(area(one) + area(other) - wide * high, 1e-9);
}

// Of [{ box, score }]: those that overlap no higher-scored kept one by over `most`.
export function suppressed(found, most) {
  const kept = [];
  for (const one of found.toSorted((a, b) => b.score - a.score)) {
    if (kept.every((other) => overlap(one.box, other.box) <= most)) kept.push(one);
  }
  return kept;
}

// Of [{ box }], as one reads: rows from top to bottom, from left to right within a row. From the
// highest down, each joins the first row whose face nearest to it, across, stands beside it: the
// middle of either is at the height of the other.
export function inReadingOrder(found) {
  const across = ({ box }) => (box[0] + box[2]) / 2, middle = ({ box }) => (box[1] + box[3]) / 2, rows = [];
  for (const one of found.toSorted((a, b) => middle(a) - middle(b))) {
    const away = (other) => Math.abs(across(other) - across(one));
    const row = rows.find((row) => {
      const near = row.reduce((best, other) => (away(other) < away(best) ? other : best));
      return middle(one) < near.box[3] || one.box[1] < middle(near);
    });
    if (row) row.push(one);
    else rows.push([one]);
  }
  return rows.flatMap((row) => row.sort((a, b) => across(a) - across(b)));
}

// The similarity that brings source points nearest to target points (least squares).
export function similarity(source, target) {
  const middle = (points) => [0, 1].map((k) => points.reduce((sum, p) => sum + p[k], 0) / points.length);
  const [sx, sy] = middle(source), [tx, ty] = middle(target);
  let spread = 0, re = 0, im = 0;
  source.forEach(([x, y], i) => {
    const ax = x - sx, ay = y - sy, bx = target[i][0] - tx, by = target[i][1] - ty;
    spread += ax * ax + ay * ay;
    re += ax * bx + ay * by;
    im += ax * by - ay * bx;
  });
  if (spread / source.length < 1e-12) return [1, 0, tx - sx, 0, 1, ty - sy];
  [re, im] = [re / spread, im / spread];
  return [re, -im, tx - (re * sx - im * sy), im, re, ty - (im * sx + re * sy)];
}

export const applied = ([a, b, c, d, e, f], [x, y]) => [a * x + b * y + c, d * x + e * y + f];

// First `inner`, then `outer`.
export function chained(outer, inner) {
  const [a, b, , d, e] = outer, [p, q, , s, t] = inner;
  const [c, f] = applied(outer, [inner[2], inner[5]]);
  return [a * p + b * s, a * q + b * t, c, d * p + e * s, d * q + e * t, f];
}

export function inverse([a, b, c, d, e, f]) {
  const det = a * e - b * d, turn = [e / det, -b / det, -d / det, a / det];
  return [turn[0], turn[1], -(turn[0] * c + turn[1] * f), turn[2], turn[3], -(turn[2] * c + turn[3] * f)];
}
