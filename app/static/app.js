// The page: what is drawn goes to the network while it is being drawn, and the answer is shown.

import { Pad } from "./pad.js";

const PAUSE = 1000; // milliseconds until the next try after a failed one

/**
 * Start the page.
 *
 * @param {(picture: HTMLCanvasElement) => Promise<{digit: number, probabilities: number[],
 *   pixels: ArrayLike<number>}>} classify reads a picture: the digit, the probability of each of
 *   the ten, and the 784 grey levels the network saw. Rejects with a sentence for the user.
 */
export function start(classify) {
  const element = (id) => document.getElementById(id);
  const bars = Array.from({ length: 10 }, (_, digit) => addBar(element("bars"), digit));
  const pad = new Pad(element("pad"), changed);
  let drawn = 0; // changes so far
  let read = 0; // the change that the last answer is about
  let reading = false;

  element("undo").addEventListener("click", () => pad.undo());
  element("clear").addEventListener("click", () => pad.clear());
  document.addEventListener("keydown", (event) => {
    const undo = event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey);
    if (undo || event.key === "Backspace") pad.undo();
    else if (event.key === "Escape" || event.key === "Delete") pad.clear();
    else return;
    event.preventDefault();
  });
  addEventListener("resize", () => pad.show());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => pad.show());
  changed();

  function changed() {
    drawn++;
    pad.show();
    element("hint").hidden = !pad.blank;
    element("undo").ariaDisabled = element("clear").ariaDisabled = String(pad.blank);
    if (pad.blank) show(null);
    element("answer").ariaBusy = "true";
    readOn();
  }

  /** Have the newest drawing read, and again until nothing has changed; one at a time. */
  async function readOn() {
    if (reading) return;
    reading = true;
    while (read < drawn) {
      const change = drawn;
      let problem = "";
      try {
        const answer = pad.blank ? null : await classify(pad.picture());
        if (!pad.blank) show(answer);
        read = change;
      } catch (error) {
        problem = error.message;
      }
      element("problem").textContent = problem;
      if (problem) await new Promise((resume) => setTimeout(resume, PAUSE));
    }
    reading = false;
    element("answer").ariaBusy = "false";
  }

  /** Show an answer, or that there is none. */
  function show(answer) {
    const { digit, probabilities, pixels } =
      answer ?? { digit: null, probabilities: Array(10).fill(0), pixels: new Uint8Array(784) };
    bars.forEach((bar, at) => fillBar(bar, probabilities[at], at === digit));
    showPixels(element("seen"), pixels);
    // Rounded down: 99.97 % is not certainty.
    const certainty = answer && `${Math.floor(1000 * probabilities[digit]) / 10} % sure`;
    element("digit").textContent = digit ?? "?";
    element("digit").classList.toggle("none", !answer);
    element("certainty").textContent = certainty ?? "No digit yet";
    // Read aloud, so only what is drawn to the end.
    if (!pad.drawing) element("status").textContent = answer ? `${digit}, ${certainty}` : "";
  }
}

function addBar(list, digit) {
  const bar = document.createElement("li");
  for (const name of ["name", "track", "share"]) {
    bar.append(Object.assign(document.createElement("span"), { className: name }));
  }
  bar.querySelector(".name").textContent = digit;
  list.append(bar);
  return bar;
}

function fillBar(bar, probability, best) {
  bar.style.setProperty("--share", probability);
  bar.classList.toggle("best", best);
  bar.querySelector(".share").textContent = `${Math.round(100 * probability)}\u202f%`;
}

function showPixels(canvas, pixels) {
  const image = new ImageData(28, 28);
  for (let at = 0; at < 784; at++) {
    image.data.fill(pixels[at], 4 * at, 4 * at + 3);
    image.data[4 * at + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}
