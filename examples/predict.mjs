// What a face shows, in JavaScript: the file of `ferturb export tiny --out tiny.onnx`, and a 48×48 face as a grey PGM.
//   npm install onnxruntime-web && node predict.mjs tiny.onnx face.pgm        (onnxruntime-node takes the same lines)
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-web/wasm";

const EMOTIONS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"];
const [model, picture] = process.argv.slice(2);
if (!picture) throw new Error("usage: node predict.mjs MODEL.onnx FACE.pgm");
const data = readFileSync(picture);
const pixels = 48 * 48;
if (data.length < pixels || data[1] !== 0x35) throw new Error(`${picture} is no 48x48 P5 image`);

ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(readFileSync(model));
const faces = new ort.Tensor("uint8", Uint8Array.from(data.subarray(-pixels)), [1, 48, 48]); // its last bytes
const { probabilities } = await session.run({ faces });
EMOTIONS.forEach((emotion, i) => console.log(emotion, probabilities.data[i].toFixed(6)));
