// How far each emotion's probability falls when a window is covered: what ferturb.web.occlusion does.

const SIDE = 48;

function windows({ side, step }) {
  const found = [];
  for (let top = 0; top < SIDE - side + step; top += step) {
    for (let left = 0; left < SIDE - side + step; left += step) {
      const cover = new Uint8Array(SIDE * SIDE);
      for (let y = top; y < Math.min(SIDE, top + side); y++) cover.fill(1, y * SIDE + left, y * SIDE + Math.min(SIDE, left + side));
      found.push(cover);
    }
  }
  return found;
}

// A map of 0 or more for each emotion, in units of probability; `predict` takes faces to rows.
export async function occlusionMaps(predict, face, options) {
  const covers = windows(options);
  const shown = covers.map((cover) => face.map((v, i) => (cover[i] ? options.grey : v)));
  const [whole, ...rows] = await predict([face, ...shown]);
  return whole.map((before, emotion) => {
    const total = new Float64Array(SIDE * SIDE), count = new Float64Array(SIDE * SIDE);
    covers.forEach((cover, k) => cover.forEach((covered, i) => {
      if (!covered) return;
      total[i] += before - rows[k][emotion];
      count[i] += 1;
    }));
    return total.map((sum, i) => Math.max(0, sum / count[i]));
  });
}
