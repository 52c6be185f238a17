// Which facial features can't be seen: what ferturb.predict.hidden_features does.
import { rounded } from "./resample.js";

const SIDE = 48;
const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
const deviation = (values) => {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((v) => (v - middle) ** 2)));
};

function around(face, [x, y], reach) {
  const found = [], clip = (v) => Math.min(Math.max(v, 0), SIDE - 1);
  for (let dy = -reach; dy <= reach; dy++) {
    for (let dx = -reach; dx <= reach; dx++) found.push(face[clip(rounded(y) + dy) * SIDE + clip(rounded(x) + dx)]);
  }
  return found;
}

// feature -> probability that it is hidden; null where no landmarks were found.
export function hidden(face, { points, confidence, errors }, fitted) {
  if (!(confidence > 0)) return null;
  const grey = [...face], light = mean(grey), spread = Math.max(deviation(grey), 2);
  const expected = [], contrast = [], brightness = [];
  for (const group of fitted.groups) {
    expected.push(Math.log(Math.max(mean(group.map((i) => errors[i])), 1e-4)));
    const middle = [0, 1].map((k) => mean(group.map((i) => points[i][k])));
    const window = around(face, middle, fitted.reach);
    contrast.push(Math.log((deviation(window) + 1) / spread));
    brightness.push(Math.abs(mean(window) - light) / spread);
  }
  const inputs = [...expected, ...contrast, ...brightness].map((v, i) => (v - fitted.mean[i]) / fitted.std[i]);
  return Object.fromEntries(Object.entries(fitted.features).map(([name, { bias, weights }]) => {
    const sum = inputs.reduce((total, v, i) => total + v * weights[i], bias);
    return [name, 1 / (1 + Math.exp(-sum))];
  }));
}
