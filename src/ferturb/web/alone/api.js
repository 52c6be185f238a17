// What the page asks where there is no server: a worker in the same browser answers. The worker is
// made from a blob, so that the page's Content-Security-Policy holds in it as well.
export { latest } from "./latest.js";

const start = `import ${JSON.stringify(new URL("alone/engine.js", import.meta.url).href)};`;
const worker = new Worker(URL.createObjectURL(new Blob([start], { type: "text/javascript" })), { type: "module" });
const waiting = new Map();
let asked = 0;

worker.onmessage = ({ data: { id, answer, error, loaded } }) => {
  if (loaded !== undefined) {
    document.getElementById("loading").value = loaded;
    return;
  }
  const { resolve, reject } = waiting.get(id) ?? {};
  waiting.delete(id);
  if (error === undefined) resolve?.(answer);
  else reject?.(new Error(error));
};
worker.onerror = () => {
  for (const { reject } of waiting.values()) reject(new Error("this browser can’t run the networks; a newer one can"));
  waiting.clear();
};

export function ask(what, question, signal) {
  return new Promise((resolve, reject) => {
    const id = asked++;
    waiting.set(id, { resolve, reject });
    worker.postMessage({ id, what, question });
    signal?.addEventListener("abort", () => {
      waiting.delete(id);
      worker.postMessage({ id, give_up: true });
      reject(new DOMException("", "AbortError"));
    });
  });
}

export async function about() {
  const found = await ask("about");
  document.getElementById("once").hidden = true;
  navigator.serviceWorker?.register("sw.js").catch(() => {});  // only for later, without a network
  return found;
}

export const example = async (name) => (await fetch(`examples/${name}.png`)).blob();

export const photo = (blob, cropped, prior, signal) => ask("photo", { blob, cropped, prior }, signal);
