// From the canvas to the 28x28 grey image that MNIST would have made of the digit on it.
//
// The same as app/drawing.py, where it is explained, step by step and to the pixel; the tests
// compare the two. The arithmetic is all in whole numbers below 2^53.

export const PEN_WIDTH = 18 / 280; // of the canvas's side

const SIZE = 28;
const BOX = 20;
const CONTRAST = 32;
const EDGE = 4;
const NOISE = 10;

/**
 * Return the digit in a picture as MNIST has its images.
 *
 * @param {Uint8ClampedArray} rgba four values for each pixel, row by row, as in ImageData
 * @param {number} width in pixels
 * @param {number} height in pixels
 * @returns {Uint8Array | null} 784 pixels, white ink (255) on black (0); null if there is no ink
 */
export function normalise(rgba, width, height) {
  for (const paper of [255, 0]) {
    const digit = findInk(onPaper(rgba, paper), width, height);
    if (digit) return place(fit(digit));
  }
  return null;
}

/** Return the grey levels of a picture on white (255) or black (0) paper. */
function onPaper(rgba, paper) {
  const levels = new Uint8Array(rgba.length / 4);
  for (let pixel = 0, at = 0; pixel < levels.length; pixel++, at += 4) {
    const grey = (19595 * rgba[at] + 38470 * rgba[at + 1] + 7471 * rgba[at + 2] + 32768) >> 16;
    const alpha = rgba[at + 3];
    const mixed = grey * alpha + paper * (255 - alpha);
    levels[pixel] = alpha === 255 ? grey : Math.floor((2 * mixed + 255) / 510);
  }
  return levels;
}

/** Return how far the pixels are from paper, cropped to the digit; null if nowhere far. */
function findInk(levels, width, height) {
  const paper = borderMedian(levels, width, height);
  let [darkest, lightest] = [255, 0];
  for (const level of levels) {
    if (level < darkest) darkest = level;
    if (level > lightest) lightest = level;
  }
  const strongest = Math.max(paper - darkest, lightest - paper);
  if (strongest < CONTRAST) return null;
  const sign = paper - darkest === strongest ? -1 : 1;

  let [left, right, top, bottom] = [width, -1, height, -1];
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      if (sign * (levels[at] - paper) * EDGE >= strongest) {
        if (x < left) left = x;
        if (x > right) right = x;
        if (y < top) top = y;
        bottom = y;
      }
    }
  }
  const [columns, rows] = [right - left + 1, bottom - top + 1];
  const ink = new Uint8Array(columns * rows);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const value = sign * (levels[(top + y) * width + left + x] - paper);
      if (value * NOISE >= strongest) ink[y * columns + x] = value;
    }
  }
  return { ink, rows, columns };
}

function borderMedian(levels, width, height) {
  const border = new Uint8Array(2 * (width + height));
  border.set(levels.subarray(0, width));
  border.set(levels.subarray(levels.length - width), width);
  for (let y = 0; y < height; y++) {
    border[2 * (width + y)] = levels[y * width];
    border[2 * (width + y) + 1] = levels[(y + 1) * width - 1];
  }
  return border.sort()[border.length >> 1];
}

/** Scale the longer side to 20 pixels, each new pixel the sum of the ink on its area. */
function fit({ ink, rows, columns }) {
  const longer = Math.max(rows, columns);
  const [down, across] = [bands(rows, longer), bands(columns, longer)];
  const sums = down.map(() => new Float64Array(across.length));
  down.forEach((band, row) => {
    const line = new Float64Array(columns);
    for (const { at, part } of band) {
      for (let x = 0; x < columns; x++) line[x] += part * ink[at * columns + x];
    }
    across.forEach((pixels, column) => {
      for (const { at, part } of pixels) sums[row][column] += part * line[at];
    });
  });
  return sums;
}

/** Return which of the old pixels make up each of the new ones, and how many twentieths of each. */
function bands(pixels, longer) {
  const found = Array.from({ length: Math.ceil((BOX * pixels) / longer) }, () => []);
  found.forEach((band, index) => {
    const end = Math.min((index + 1) * longer, BOX * pixels);
    for (let start = index * longer; start < end; ) {
      const at = Math.floor(start / BOX);
      const next = Math.min(end, BOX * (at + 1));
      band.push({ at, part: next - start });
      start = next;
    }
  });
  return found;
}

/** Put a digit of at most 20x20 into the image by its centre of mass, its strongest white. */
function place(digit) {
  const down = digit.map(sum);
  const across = Array.from(digit[0], (_, column) => sum(digit.map((row) => row[column])));
  const [top, left] = [offset(down), offset(across)];
  const strongest = Math.max(...digit.map((row) => Math.max(...row)));
  const image = new Uint8Array(SIZE * SIZE);
  digit.forEach((row, y) => {
    row.forEach((value, x) => {
      const level = Math.floor((510 * value + strongest) / (2 * strongest));
      image[(top + y) * SIZE + left + x] = level;
    });
  });
  return image;
}

/** Return the shift that brings the centre of mass to 14 +- 0.5, as far as there is room. */
function offset(weights) {
  const total = sum(weights);
  const moment = sum(weights.map((weight, at) => at * weight));
  const shift = Math.ceil(((SIZE - 1) * total - 2 * moment) / (2 * total));
  return Math.min(Math.max(shift, 0), SIZE - weights.length);
}

function sum(values) {
  return values.reduce((a, b) => a + b, 0);
}
