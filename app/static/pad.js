// The paper: strokes by mouse, finger or pen, or a photo in their place. Strokes are kept as points,
// so that they can be taken back one by one, and drawn again at any size and in any colour.

import { PEN_WIDTH } from "./drawing.js";

const SIDE = 280; // of the paper, in the points' unit
const PIXELS = 100; // of the picture's side; with more the network classifies no better
const LARGEST = 400; // pixels of a photo's longer side; the network sees fewer
const STEP = 1; // a point closer to the last one than this adds nothing

export class Pad {
  #canvas;
  #changed;
  #strokes = [];
  #photo = null;
  #awaited = null; // the photo that was given last
  #pointer = null; // the one that draws; others are ignored meanwhile
  #picture = Object.assign(document.createElement("canvas"), { width: PIXELS, height: PIXELS });

  /**
   * @param {HTMLCanvasElement} canvas square; its CSS colour is the ink
   * @param {() => void} changed called after every change of the drawing, and when the pen is lifted
   */
  constructor(canvas, changed) {
    this.#canvas = canvas;
    this.#changed = changed;
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#extend(event));
    canvas.addEventListener("pointercancel", (event) => this.#cancel(event));
    canvas.addEventListener("lostpointercapture", (event) => this.#end(event)); // lifted, or gone
  }

  get blank() {
    return this.#strokes.length === 0 && !this.#photo;
  }

  get drawing() {
    return this.#pointer !== null;
  }

  /** Take back the last stroke, even an unfinished one. */
  undo() {
    this.#pointer = null;
    if (!this.#photo) this.#strokes.pop();
    this.#photo = null;
    this.#changed();
  }

  clear() {
    this.#pointer = null;
    this.#strokes = [];
    this.#photo = null;
    this.#changed();
  }

  /**
   * Show a photo in place of what was drawn, the right way up.
   *
   * @param {Blob} file
   */
  async take(file) {
    const awaited = (this.#awaited = createImageBitmap(file));
    const image = await awaited;
    const scale = Math.min(1, LARGEST / Math.max(image.width, image.height));
    const [width, height] = [image.width, image.height].map((side) => Math.ceil(side * scale));
    const photo = Object.assign(document.createElement("canvas"), { width, height });
    const context = photo.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingQuality = "high";
    context.drawImage(image, 0, 0, width, height);
    image.close();
    if (awaited !== this.#awaited) return; // another was given meanwhile
    this.clear();
    this.#photo = photo;
    this.#changed();
  }

  /** Show the drawing on the page, at the screen's own resolution. */
  show() {
    const side = Math.round(this.#canvas.clientWidth * devicePixelRatio);
    if (this.#canvas.width !== side) this.#canvas.width = this.#canvas.height = side;
    const context = this.#canvas.getContext("2d");
    context.clearRect(0, 0, side, side);
    if (this.#photo) {
      const { width, height } = this.#photo;
      const scale = side / Math.max(width, height);
      const [left, top] = [width, height].map((size) => (side - size * scale) / 2);
      context.fillStyle = "white"; // where it is transparent, as the network has it
      context.fillRect(left, top, width * scale, height * scale);
      context.drawImage(this.#photo, left, top, width * scale, height * scale);
    }
    this.#draw(context, side / SIDE, getComputedStyle(this.#canvas).color);
  }

  /** Return the picture for the network: the photo, or the drawing, 100x100, black on white. */
  picture() {
    if (this.#photo) return this.#photo;
    const context = this.#picture.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "white";
    context.fillRect(0, 0, PIXELS, PIXELS);
    this.#draw(context, PIXELS / SIDE, "black");
    return this.#picture;
  }

  #begin(event) {
    if (this.drawing || event.button !== 0) return;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#pointer = event.pointerId;
    this.#photo = null;
    this.#strokes.push([this.#point(event)]);
    this.#changed();
  }

  #extend(event) {
    if (event.pointerId !== this.#pointer) return;
    const stroke = this.#strokes.at(-1);
    const events = event.getCoalescedEvents?.() ?? [];
    for (const part of events.length ? events : [event]) {
      const [x, y] = this.#point(part);
      const [lastX, lastY] = stroke.at(-1);
      if (Math.hypot(x - lastX, y - lastY) >= STEP) stroke.push([x, y]);
    }
    this.#changed();
  }

  /** Take the stroke back: what touched the paper was a palm, or a gesture for the system. */
  #cancel(event) {
    if (event.pointerId === this.#pointer) this.undo();
  }

  #end(event) {
    if (event.pointerId !== this.#pointer) return;
    this.#pointer = null;
    this.#changed();
  }

  #point(event) {
    const { left, top, width } = this.#canvas.getBoundingClientRect();
    return [((event.clientX - left) * SIDE) / width, ((event.clientY - top) * SIDE) / width];
  }

  #draw(context, scale, ink) {
    context.save();
    context.scale(scale, scale);
    context.lineWidth = PEN_WIDTH * SIDE;
    context.lineCap = context.lineJoin = "round";
    context.strokeStyle = ink;
    context.beginPath();
    for (const stroke of this.#strokes) trace(context, stroke);
    context.stroke();
    context.restore();
  }
}

/** Add a smooth line to the path: from middle to middle of the points, each bending it. */
function trace(context, points) {
  context.moveTo(...points[0]);
  for (let at = 1; at < points.length - 1; at++) {
    const [x, y] = points[at];
    const [nextX, nextY] = points[at + 1];
    context.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
  }
  const [x, y] = points.at(-1);
  context.lineTo(x + 0.01, y); // a line without length is not drawn everywhere, and a dot is one
}
