// The page: what is drawn goes to the network while it is being drawn, and the answer is shown.

import { Pad } from "./pad.js";

const PAUSE = 1000; // milliseconds until the next try after a failed one

/** A drawing that cannot be classified; trying again would not help. */
export class Unreadable extends Error {}

/**
 * Start the page.
 *
 * @param {(picture: HTMLCanvasElement) => Promise<{digit: number, probabilities: number[],
 *   pixels: ArrayLike<number>}>} classify returns, of a picture, the digit, the probability of
 *   each of the ten, and the 784 grey levels the network saw. Rejects with a sentence for the
 *   user, `Unreadable` or some other error.
 * @param {(picture: HTMLCanvasElement) => Promise<{name: string, regularization: string[],
 *   accuracy: number, digit: number, probability: number}[]>} compare returns what every network
 *   makes of a picture, the one in use first. Rejects as `classify` does.
 */
export function start(classify, compare) {
  const element = (id) => document.getElementById(id);
  const bars = Array.from({ length: 10 }, (_, digit) => addBar(element("bars"), digit));
  const pad = new Pad(element("pad"), changed);
  let drawn = 0; // changes so far
  let blank = 0; // the last change that left nothing; answers to older ones are out of date
  let read = 0; // the change that the last answer is about
  let reading = false;
  let unreadable = ""; // what is wrong with a file that was given

  element("undo").addEventListener("click", () => pad.undo());
  element("clear").addEventListener("click", () => pad.clear());
  document.addEventListener("keydown", (event) => {
    const control = (event.ctrlKey || event.metaKey) && !event.shiftKey;
    if ((control && event.key.toLowerCase() === "z") || event.key === "Backspace") pad.undo();
    else if (event.key === "Escape" || event.key === "Delete") pad.clear();
    else return;
    event.preventDefault();
  });
  element("choose").addEventListener("click", () => element("photo").click());
  element("photo").addEventListener("change", () => {
    take(element("photo").files);
    element("photo").value = "";
  });
  document.addEventListener("paste", (event) => take(event.clipboardData.files));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    take(event.dataTransfer.files);
  });
  element("others").addEventListener("toggle", changed);
  addEventListener("resize", () => pad.show());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => pad.show());
  changed();

  async function take([file]) {
    if (!file) return;
    try {
      await pad.take(file);
    } catch {
      unreadable = "This file is no picture that the browser can show.";
      element("problem").textContent = unreadable;
    }
  }

  function changed() {
    drawn++;
    unreadable = "";
    pad.show();
    element("hint").hidden = !pad.blank;
    element("undo").ariaDisabled = element("clear").ariaDisabled = String(pad.blank);
    if (pad.blank) {
      blank = drawn;
      show(null);
    }
    element("answer").ariaBusy = "true";
    readOn();
  }

  /** Have the newest drawing classified, and again until nothing has changed; one at a time. */
  async function readOn() {
    if (reading) return;
    reading = true;
    while (read < drawn) {
      const change = drawn;
      let problem = "";
      try {
        const picture = pad.blank ? null : pad.picture();
        const answer = picture && (await classify(picture));
        if (change > blank) show(answer);
        if (element("others").open) showOthers(picture ? await compare(picture) : []);
        read = change;
      } catch (error) {
        problem = error.message || "The drawing could not be classified. Trying again …";
        show(null);
        showOthers([]);
        if (error instanceof Unreadable) read = change;
      }
      element("problem").textContent = problem || unreadable;
      if (read < change) await new Promise((resume) => setTimeout(resume, PAUSE));
    }
    reading = false;
    element("answer").ariaBusy = "false";
  }

  /** Show an answer, or that there is none. */
  function show(answer) {
    const { digit, probabilities = [], pixels = new Uint8Array(784) } = answer ?? {};
    bars.forEach((bar, at) => fillBar(bar, probabilities[at], at === digit));
    showPixels(element("seen"), pixels);
    const certainty = answer ? `${percent(probabilities[digit])} sure` : "No answer yet";
    element("digit").textContent = digit ?? "?";
    element("digit").classList.toggle("none", !answer);
    element("certainty").textContent = certainty;
    // Read aloud, so only what is drawn to the end.
    if (!pad.drawing) element("status").textContent = answer ? `${digit}, ${certainty}` : "";
  }
}

function showOthers(networks) {
  const digits = networks.map(({ digit }) => digit);
  const alike = digits.filter((digit) => digit === digits[0]).length;
  const count = `${alike} of ${networks.length} networks predict ${digits[0]}.`;
  document.getElementById("agreement").textContent = networks.length ? count : "Draw a digit.";
  const rows = networks.map(({ name, regularization, accuracy, digit, probability }) => {
    const row = document.createElement("tr");
    row.classList.toggle("differs", digit !== digits[0]);
    const how = regularization.join(", ") || "no regularization";
    for (const text of [name, how, `${(100 * accuracy).toFixed(2)}\u202f%`, digit, percent(probability)]) {
      row.append(Object.assign(document.createElement("td"), { textContent: text }));
    }
    return row;
  });
  document.getElementById("networks").replaceChildren(...rows);
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
  bar.style.setProperty("--share", probability ?? 0);
  bar.classList.toggle("best", best);
  bar.querySelector(".share").textContent = probability >= 0.005 ? percent(probability) : "";
}

/** Return a probability in whole percent; 99.6 % is not certainty. */
function percent(probability) {
  const rounded = Math.round(100 * probability);
  return rounded === 100 ? ">99\u202f%" : `${rounded}\u202f%`;
}

function showPixels(canvas, pixels) {
  const image = new ImageData(28, 28);
  for (let at = 0; at < 784; at++) {
    image.data.fill(pixels[at], 4 * at, 4 * at + 3);
    image.data[4 * at + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}
