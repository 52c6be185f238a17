// Reads cases as JSON from the standard input, and writes what the page's programs make of them.
import { pathToFileURL } from "node:url";
import { readFileSync } from "node:fs";

const from = (name) => import(pathToFileURL(`${process.argv[2]}/${name}.js`));
const [{ affine, grey, resize, rounded }, { cut }, { hidden }, { inReadingOrder, suppressed }, { shifted }] =
  await Promise.all(["resample", "alignment", "hidden", "geometry", "answers"].map(from));
const picture = ({ data, width, height, bands }) => ({ data: Uint8ClampedArray.from(data), width, height, bands });
const DONE = {
  resize: (c) => [...resize(picture(c), c.wide, c.high, c.filter, c.box ?? undefined).data],
  grey: (c) => [...grey(picture(c)).data],
  affine: (c) => [...affine(picture(c), c.side, c.matrix).data],
  cut: (c) => [...cut(picture(c), c.place, c.finest)],
  hidden: (c) => hidden(c.face, c.marks, c.fitted),
  suppressed: (c) => suppressed(c.found, c.most),
  reading: (c) => inReadingOrder(c.boxes.map((box, i) => ({ box, i }))).map(({ i }) => i),
  rounded: (c) => c.values.map(rounded),
  shifted: (c) => shifted(c.row, c.before, c.after),
};
console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map((c) => DONE[c.what](c))));
