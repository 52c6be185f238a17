// What the page asks the server. Every function gives what was answered, or throws an Error whose
// message is one line for the person in front of the page. The page without a server has another
// file in its place.
export { latest } from "./latest.js";

async function answered(request) {
  let response;
  try {
    response = await request;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the server doesn’t answer; is ferturb app still running?");
  }
  let said = {};
  try {
    said = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
  }
  if (!response.ok) throw new Error(said.error ?? `the server refused (${response.status})`);
  return said;
}

export const about = () => answered(fetch("api/about"));

export const example = async (name) => (await fetch(`examples/${name}.png`)).blob();

export function photo(blob, cropped, prior, signal) {
  const type = blob.type.startsWith("image/") ? blob.type : "application/octet-stream";
  const asked = prior == null ? "" : `&prior=${encodeURIComponent(prior)}`;
  return answered(fetch(`api/photo?cropped=${cropped ? 1 : 0}${asked}`, {
    method: "POST", body: blob, headers: { "Content-Type": type }, signal,
  }));
}

export function ask(what, question, signal) {
  return answered(fetch(`api/${what}`, {
    method: "POST",
    body: JSON.stringify(question),
    headers: { "Content-Type": "application/json" },
    signal,
  }));
}
