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
const REDUCED = 400;
const UNEVEN = 10;
const DRAWN = 66;
const SHEET = 60;
const MOST_PARTS = 50;
const NOTHING =
  "No digit stands out from its background; more light, or a picture from closer up, may help.";
const SEVERAL = "There is more than one digit; show one at a time.";

/** A picture with no digit in it, or more than one; its message is for the user. */
export class NoDigit extends Error {}

/**
 * Return the digit in a picture as MNIST has its images.
 *
 * @param {Uint8ClampedArray} rgba four values for each pixel, row by row, as in ImageData
 * @param {number} width in pixels
 * @param {number} height in pixels
 * @returns {Uint8Array | null} 784 pixels, white ink (255) on black (0); null if there is no ink
 * @throws {NoDigit}
 */
export function normalize(rgba, width, height) {
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
  const border = borderOf(levels, width, height);
  const paper = Uint8Array.from(border).sort()[border.length >> 1];
  const [darkest, lightest] = [least(levels), most(levels)];
  const strongest = Math.max(paper - darkest, lightest - paper);
  if (strongest < CONTRAST) return null;
  const sign = paper - darkest === strongest ? -1 : 1;
  const ink = Int32Array.from(levels, (level) => sign * (level - paper));
  const digit = Uint8Array.from(ink, (value) => value * EDGE >= strongest);
  const box = boxOf(digit, width);
  const [columns, rows] = [box.right - box.left + 1, box.bottom - box.top + 1];
  const [inside, mask] = [crop(ink, width, box), crop(digit, width, box)];

  const spans = 2 * (rows - 1) >= height && 2 * (columns - 1) >= width;
  const sheet = spans && 100 * sum(mask) > SHEET * mask.length;
  const away = border.map((level) => Math.abs(level - paper));
  const far = away.filter((levels) => 2 * levels > CONTRAST).length;
  const uneven = sheet || 100 * far > UNEVEN * away.length;
  const drawn = 100 * away.filter((levels) => levels <= 2).length > DRAWN * away.length;
  if (uneven || !drawn) {
    const found = photographed(levels, width, height);
    if (found) return found;
    if (uneven && !drawn) throw new NoDigit(NOTHING);
  }
  choose(label(mask, columns), inside, columns);
  return { ink: inside.map((value) => (value * NOISE >= strongest ? value : 0)), rows, columns };
}

/** Return by how much of the light ink is darker than the paper around it, cropped, or null. */
function photographed(levels, fullWidth, fullHeight) {
  const factor = Math.ceil(Math.max(fullWidth, fullHeight) / REDUCED);
  const [width, height] = [Math.floor(fullWidth / factor), Math.floor(fullHeight / factor)];
  const small = new Int32Array(width * height);
  for (let y = 0; y < height * factor; y++) {
    for (let x = 0; x < width * factor; x++) {
      const at = Math.floor(y / factor) * width + Math.floor(x / factor);
      small[at] += levels[y * fullWidth + x];
    }
  }
  small.forEach((total, at) => (small[at] = Math.floor(total / factor ** 2)));
  const reach = Math.max(width, height) >> 4; // of the window, which is odd, to either side
  const light = extreme(extreme(small, width, height, reach, 1), width, height, reach, -1);
  const ink = small.map((level, at) =>
    Math.floor(((light[at] - level) * 256) / Math.max(light[at], 1)),
  );
  const margin = Math.floor(Math.max(width, height) / 20);
  let strongest = 0;
  for (let y = margin; y < height - margin; y++) {
    for (let x = margin; x < width - margin; x++) {
      strongest = Math.max(strongest, ink[y * width + x]);
    }
  }
  const outside = new Uint8Array(ink.length);
  let parts;
  for (const share of [2, 3]) {
    parts = label(
      ink.map((value, at) => value * share >= strongest && !outside[at]),
      width,
    );
    const touching = new Set(borderOf(parts, width, height));
    parts.forEach((part, at) => {
      if (part && touching.has(part)) {
        outside[at] = 1;
        parts[at] = 0;
      }
    });
    strongest = parts.reduce((best, part, at) => (part ? Math.max(best, ink[at]) : best), 0);
    if (strongest < CONTRAST) return null;
  }
  const { box, chosen } = choose(parts, ink, width);
  const near = extreme(chosen, width, height, 1, 1);
  const digit = ink.map((value, at) => (near[at] && value * NOISE >= strongest ? value : 0));
  return {
    ink: crop(digit, width, box),
    rows: box.bottom - box.top + 1,
    columns: box.right - box.left + 1,
  };
}

/** Return where the digit is, of parts numbered from 1: the largest and what is close to it. */
function choose(parts, ink, width) {
  const mass = new Float64Array(most(parts) + 1);
  parts.forEach((part, at) => (mass[part] += part && ink[at]));
  const largest = most(mass);
  const large = Array.from(mass.keys()).filter((number) => 50 * mass[number] >= largest); // no specks
  if (large.length > MOST_PARTS) throw new NoDigit(SEVERAL);
  const [first, ...others] = large.sort((a, b) => mass[b] - mass[a] || a - b);
  const boxes = {};
  parts.forEach((part, at) => {
    if (50 * mass[part] < largest) return;
    const [x, y] = [at % width, Math.floor(at / width)];
    const box = (boxes[part] ??= { left: x, right: x, top: y, bottom: y });
    box.left = Math.min(box.left, x);
    box.right = Math.max(box.right, x);
    box.bottom = y;
  });
  const box = { ...boxes[first] };
  const tall = ({ top, bottom }) => bottom - top + 1;
  const near = Math.max(tall(box), box.right - box.left + 1) >> 2;
  const taken = new Set([first]);
  for (const number of others) {
    const other = boxes[number];
    const close =
      other.top <= box.bottom + 1 + near &&
      other.bottom + 1 >= box.top - near &&
      other.left <= box.right + 1 + near &&
      other.right + 1 >= box.left - near;
    const heights = [tall(other), tall(boxes[first])].sort((a, b) => a - b);
    const beside = other.left > boxes[first].right || other.right < boxes[first].left;
    if (close && !(beside && 10 * heights[0] >= 7 * heights[1])) {
      taken.add(number);
      box.left = Math.min(box.left, other.left);
      box.right = Math.max(box.right, other.right);
      box.top = Math.min(box.top, other.top);
      box.bottom = Math.max(box.bottom, other.bottom);
    } else if (close || 3 * mass[number] >= mass[first]) {
      throw new NoDigit(SEVERAL);
    }
  }
  return { box, chosen: Int32Array.from(parts, (part) => Number(taken.has(part))) };
}

/** Number what hangs together, corners too, from 1 in the order of the first pixels. */
function label(mask, width) {
  const parts = new Int32Array(mask.length);
  const height = mask.length / width;
  const waiting = [];
  let count = 0;
  for (let start = 0; start < mask.length; start++) {
    if (!mask[start] || parts[start]) continue;
    waiting.push(start);
    parts[start] = ++count;
    while (waiting.length) {
      const at = waiting.pop();
      const [x, y] = [at % width, Math.floor(at / width)];
      for (let down = Math.max(y - 1, 0); down <= Math.min(y + 1, height - 1); down++) {
        for (let across = Math.max(x - 1, 0); across <= Math.min(x + 1, width - 1); across++) {
          const next = down * width + across;
          if (mask[next] && !parts[next]) {
            parts[next] = count;
            waiting.push(next);
          }
        }
      }
    }
  }
  return parts;
}

/** Return the highest (sign 1) or lowest (-1) level within so many pixels in both directions. */
function extreme(levels, width, height, reach, sign) {
  const across = slide(levels, width, height, reach, sign, 1, width);
  return slide(across, height, width, reach, sign, width, 1);
}

function slide(levels, length, lines, reach, sign, step, stride) {
  const found = new Int32Array(levels.length);
  for (let line = 0; line < lines; line++) {
    const waiting = []; // places whose levels fall, the first of them the best in reach
    let head = 0;
    for (let end = 0; end < length + reach; end++) {
      if (end < length) {
        const level = sign * levels[line * stride + end * step];
        while (
          waiting.length > head &&
          sign * levels[line * stride + waiting.at(-1) * step] <= level
        ) {
          waiting.pop();
        }
        waiting.push(end);
      }
      const at = end - reach;
      if (at < 0) continue;
      while (waiting[head] < at - reach) head++;
      found[line * stride + at * step] = levels[line * stride + waiting[head] * step];
    }
  }
  return found;
}

function borderOf(levels, width, height) {
  const border = [...levels.subarray(0, width), ...levels.subarray(levels.length - width)];
  for (let y = 0; y < height; y++) border.push(levels[y * width], levels[(y + 1) * width - 1]);
  return border;
}

function boxOf(mask, width) {
  const box = { left: width, right: -1, top: -1, bottom: -1 };
  mask.forEach((inside, at) => {
    if (!inside) return;
    const [x, y] = [at % width, Math.floor(at / width)];
    if (box.top < 0) box.top = y;
    box.bottom = y;
    box.left = Math.min(box.left, x);
    box.right = Math.max(box.right, x);
  });
  return box;
}

function crop(values, width, { left, right, top, bottom }) {
  const rows = [];
  for (let y = top; y <= bottom; y++) {
    rows.push(...values.subarray(y * width + left, y * width + right + 1));
  }
  return Int32Array.from(rows);
}

function least(values) {
  return values.reduce((a, b) => Math.min(a, b));
}

function most(values) {
  return values.reduce((a, b) => Math.max(a, b));
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
