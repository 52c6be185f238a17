// 48×48 faces, and what is laid over them, on a canvas.

const SIDE = 48;

export const CLUSTERS = [
  [230, 97, 0], [31, 120, 214], [46, 160, 90], [150, 80, 200],
  [200, 170, 20], [20, 170, 180], [220, 80, 140], [120, 120, 120],
];
const SALIENT = [255, 138, 0];
const ATTENDED = [40, 150, 255];

export const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

// A colour and how much it covers (0 … 1), for each pixel of an overlay.
const LAYERS = {
  saliency: (map) => (i) => [SALIENT, 0.85 * map[i] / 255],
  attention: (map) => (i) => [ATTENDED, 0.8 * map[i] / 255],
  clusters: (map) => (i) => [CLUSTERS[map[i]], edge(map, i) ? 0.95 : 0.35],
};

function edge(map, i) {
  const x = i % SIDE, y = (i - x) / SIDE;
  return (x + 1 < SIDE && map[i + 1] !== map[i]) || (y + 1 < SIDE && map[i + SIDE] !== map[i]);
}

export function paint(canvas, face, overlay = null) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(SIDE, SIDE);
  const grey = bytes(face);
  const layer = overlay ? LAYERS[overlay.kind](bytes(overlay.map)) : null;
  for (let i = 0; i < grey.length; i++) {
    const [colour, cover] = layer ? layer(i) : [null, 0];
    for (let c = 0; c < 3; c++) {
      image.data[4 * i + c] = cover ? grey[i] * (1 - cover) + colour[c] * cover : grey[i];
    }
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

export function thumbnail(face) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  paint(canvas, face);
  return canvas;
}
