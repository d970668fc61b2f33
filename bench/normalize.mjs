// Run the page's normalization on pictures from standard input, for bench/strokes.py.
//
// In, for each picture: width and height, 32 bits each, little-endian; then its RGBA bytes.
// Out, for each picture: 784 bytes, all 0 if there is no digit in it, or more than one.

import { readFileSync, writeFileSync } from "node:fs";

// As a data URL, since Node.js takes a file called .js for the older kind of module.
const code = readFileSync(new URL("../app/static/drawing.js", import.meta.url), "base64");
const { NoDigit, normalize } = await import(`data:text/javascript;base64,${code}`);

const input = readFileSync(0);
const images = [];
for (let at = 0; at < input.length; ) {
  const [width, height] = [input.readUInt32LE(at), input.readUInt32LE(at + 4)];
  const end = at + 8 + 4 * width * height;
  const rgba = new Uint8ClampedArray(input.subarray(at + 8, end));
  images.push(normalized(rgba, width, height) ?? new Uint8Array(784));
  at = end;
}

function normalized(rgba, width, height) {
  try {
    return normalize(rgba, width, height);
  } catch (error) {
    if (error instanceof NoDigit) return null;
    throw error;
  }
}
writeFileSync(1, Buffer.concat(images));
