// The expression networks of two npm packages, run by TensorFlow.js's WebAssembly backend.
//
//   node node_peers.cjs NPM_FOLDER NAME        NAME: face-api | human
//
// Reads one JSON command a line and answers with one JSON line each:
//   {"do": "load", "path": FILE, "count": N}           N faces, uint8, 48×48 each
//   {"do": "measure", "batch": B, "seconds": S}        {"faces": …, "seconds": …}
//   {"do": "predict", "batch": B, "count": N}          {"probabilities": [[7 numbers], …]}
//
// face-api: `nets.faceExpressionNet.predictExpressions`, its public call, which takes a batch as a
// list. human keeps its emotion network behind its face detector, so its graph is called as
// src/gear/emotion.ts calls it. Both are handed float tensors with three channels.
"use strict";

const fs = require("fs");
const path = require("path");
const readline = require("readline");
const { createRequire } = require("module");

const SIDE = 48;
const [folder, name] = process.argv.slice(2);
const load = createRequire(path.join(folder, "package.json"));
const modules = path.join(folder, "node_modules");
const OURS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"];

async function ready(tf, wasm) {
  wasm.setWasmPaths(path.join(modules, "@tensorflow/tfjs-backend-wasm/dist/"));
  await tf.setBackend("wasm");
  await tf.ready();
  return tf.getBackend();
}

async function faceApi() {
  const wasm = load("@tensorflow/tfjs-backend-wasm");
  const api = load("@vladmandic/face-api/dist/face-api.node-wasm.js");
  const backend = await ready(api.tf, wasm);
  const net = api.nets.faceExpressionNet;
  await net.loadFromDisk(path.join(modules, "@vladmandic/face-api/model"));
  const named = {
    angry: "angry", disgusted: "disgust", fearful: "fear", happy: "happy",
    sad: "sad", surprised: "surprise", neutral: "neutral",
  };
  async function run(faces, n) {
    const tf = api.tf;
    const inputs = [];
    for (let i = 0; i < n; i++) {
      const grey = tf.tensor3d(Float32Array.from(faces.subarray(i * SIDE * SIDE, (i + 1) * SIDE * SIDE)), [SIDE, SIDE, 1]);
      inputs.push(tf.concat([grey, grey, grey], 2));
      grey.dispose();
    }
    const found = await net.predictExpressions(inputs);
    inputs.forEach((t) => t.dispose());
    return (Array.isArray(found) ? found : [found]).map((one) => {
      const row = new Array(7).fill(0);
      for (const [theirs, ours] of Object.entries(named)) row[OURS.indexOf(ours)] = one[theirs];
      return row;
    });
  }
  return { run, backend };
}

async function human() {
  const tf = load("@tensorflow/tfjs");
  const backend = await ready(tf, load("@tensorflow/tfjs-backend-wasm"));
  const models = path.join(modules, "@vladmandic/human/models");
  const graph = JSON.parse(fs.readFileSync(path.join(models, "emotion.json"), "utf8"));
  const file = fs.readFileSync(path.join(models, "emotion.bin"));
  const weights = file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength);
  const net = await tf.loadGraphModel({
    load: async () => ({
      modelTopology: graph.modelTopology, weightSpecs: graph.weightsManifest[0].weights,
      weightData: weights, userDefinedMetadata: graph.userDefinedMetadata,
    }),
  });
  async function run(faces, n) {
    const out = tf.tidy(() => {
      const grey = tf.div(tf.tensor4d(Float32Array.from(faces.subarray(0, n * SIDE * SIDE)), [n, SIDE, SIDE, 1]), 255);
      const image = tf.concat([grey, grey, grey], 3);
      const resized = tf.image.resizeBilinear(image, [64, 64], false);
      const weighted = tf.mul(resized, tf.tensor1d([0.2989, 0.587, 0.114]));
      const shown = tf.mul(tf.sub(tf.sum(weighted, 3, true), 0.5), 2);
      return net.execute(shown); // angry, disgust, fear, happy, sad, surprise, neutral
    });
    const flat = await out.data();
    out.dispose();
    return Array.from({ length: n }, (_, i) => Array.from(flat.slice(7 * i, 7 * i + 7)));
  }
  return { run, backend };
}

async function main() {
  const { run, backend } = await { "face-api": faceApi, human }[name]();
  let all = null;
  let count = 0;
  const some = (at, n) => all.subarray(at * SIDE * SIDE, (at + n) * SIDE * SIDE);
  const actions = {
    load: async (c) => {
      all = new Uint8Array(fs.readFileSync(c.path));
      count = c.count;
      return { backend };
    },
    measure: async (c) => {
      await run(some(0, c.batch), c.batch);
      const start = performance.now();
      let done = 0;
      while (performance.now() - start < 1000 * c.seconds) {
        await run(some(done % (count - c.batch + 1), c.batch), c.batch);
        done += c.batch;
      }
      return { faces: done, seconds: (performance.now() - start) / 1000 };
    },
    predict: async (c) => {
      const rows = [];
      for (let at = 0; at < c.count; at += c.batch) {
        const n = Math.min(c.batch, c.count - at);
        rows.push(...(await run(some(at, n), n)));
      }
      return { probabilities: rows };
    },
  };
  console.log(JSON.stringify({ ready: true, backend }));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    console.log(JSON.stringify(await actions[command.do](command)));
  }
}

const print = console.log.bind(console);
console.info = console.warn = console.debug = (...words) => process.stderr.write(words.join(" ") + "\n");
console.log = (text) => (typeof text === "string" && text.startsWith("{") ? print(text) : process.stderr.write(String(text) + "\n"));
main().catch((error) => {
  process.stderr.write(String(error && error.stack ? error.stack : error) + "\n");
  process.exit(1);
});
