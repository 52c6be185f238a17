// What changed, as one would say it to somebody who knows no statistics.
import { capital, changed, moved, percent, spaced } from "./words.js";

// "Without mouth and brows, under a surgical face mask"
export function change(leftOut, worn) {
  const names = leftOut.map((name) => `the ${name === "eyes" ? "eyes" : spaced(name)}`);
  const without = names.length ? `without ${names.length > 1 ? `${names.slice(0, -1).join(", ")} and ` : ""}${names.at(-1)}` : "";
  return capital([...(worn ? [`under a ${changed("worn", worn)}`] : []), ...(without ? [without] : [])].join(", "));
}

export function outcome(before, now) {
  const [was, is] = [before, now].map((answer) => answer.emotion);
  const most = now.most_probable, { points } = moved(before.probabilities[most], now.probabilities[most]);
  if (was === null && is === null) return "it doesn’t know, as before";
  if (is === null) return `it no longer knows; before, it said ${was}`;
  if (was === null) return `it says ${is}; before, it didn’t know`;
  if (was !== is) return `it takes this face for ${is}, no longer for ${was}`;
  if (points <= -3) return `it still says ${is}, but is less sure`;
  return points >= 3 ? `it still says ${is}, and is surer` : `it says the same: ${is}`;
}

// Of the table of all changes: what the answer leans on most.
export function leansOn(found) {
  const own = found.before.most_probable, fall = (row) => found.before.probabilities[own] - row.probabilities[own];
  const [most] = found.rows.toSorted((a, b) => fall(b) - fall(a)), points = -moved(found.before.probabilities[own], most.probabilities[own]).points;
  if (points < 3) return `No single change takes much from ${own} (${percent(found.before.probabilities[own])}).`;
  const name = change(most.change === "worn" ? [] : [most.name], most.change === "worn" ? most.name : null);
  return `${name}, ${own} loses most: ${points} of its ${Math.round(100 * found.before.probabilities[own])} points.`;
}
