// The networks, opened with onnxruntime-web: named tensors in, named tensors out.
import * as ort from "../runtime/ort.wasm.bundle.min.mjs";

// A file's bytes, unpacked where it was packed and the host did not unpack it on the way.
async function bytes(name) {
  const response = await fetch(new URL(`../${name}`, import.meta.url)).catch(() => null);
  if (!response?.ok) throw new Error(`a part of this page could not be loaded (${name}); load the page again`);
  const data = new Uint8Array(await response.arrayBuffer());
  if (data[0] !== 0x1f || data[1] !== 0x8b) return data;
  const plain = new Blob([data]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(plain).arrayBuffer());
}

export async function prepare(file) {
  ort.env.wasm.numThreads = 1;  // more need headers that a plain host does not send
  ort.env.wasm.wasmBinary = await bytes(file);
}

// `weights`: the file that the graph reads its numbers from, or null.
export async function open({ graph, weights }) {
  const externalData = weights ? [{ path: weights.name, data: await bytes(weights.file) }] : [];
  const session = await ort.InferenceSession.create(await bytes(graph), { externalData, logSeverityLevel: 3 });
  return async (inputs) => {
    const tensors = Object.entries(inputs).map(([name, [type, data, dims]]) => [name, new ort.Tensor(type, data, dims)]);
    return session.run(Object.fromEntries(tensors));
  };
}
