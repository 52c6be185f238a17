// How things are said.

export const percent = (p) => `${Math.round(100 * p)}\u00a0%`;

// How sure: of a model of people's votes, how many of ten would say so.
export const sureness = (model, p) => (model.people ? `about ${Math.round(10 * p)} of ten people would say so` : `${percent(p)} sure`);

export const spaced = (name) => name.replaceAll("_", " ");

export const capital = (word) => word[0].toUpperCase() + word.slice(1);

const MASKS = { surgical: "surgical", cloth: "cloth", n95: "N95" };
export const mask = (kind) => MASKS[kind] ?? kind;

const FILLS = { mean: "mean grey", blur: "blurred", black: "black" };
export const fill = (name) => FILLS[name] ?? name;

export const changed = (change, name) =>
  change === "worn" ? `${mask(name)} face mask` : `without ${name === "eyes" ? "both eyes" : spaced(name)}`;

// Points a probability moved: { text: "▲ +12", kind: "up" }, by whole points as they are shown.
export function moved(before, after) {
  const points = Math.round(100 * after) - Math.round(100 * before);
  if (points === 0) return { points, text: "·", kind: "same" };
  return points > 0
    ? { points, text: `▲ +${points}`, kind: "up" }
    : { points, text: `▼ −${-points}`, kind: "down" };
}

// The answer in a sentence, as it is read aloud.
export function sentence(answer) {
  const sure = percent(answer.probabilities[answer.most_probable]);
  return answer.emotion === null
    ? `It doesn’t know; best guess ${answer.most_probable}, ${sure}`
    : `${capital(answer.emotion)}, ${sure} sure`;
}

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}
