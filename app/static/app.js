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
 * @param {(picture: HTMLCanvasElement, show: (networks: {name: string, regularization: string[],
 *   accuracy: number, digit: number, probability: number}[]) => void) => Promise<void>} compare
 *   shows what the networks make of a picture, the one in use first, once or as they come. Rejects
 *   as `classify` does.
 * @param {boolean} able says whether the browser has what they need.
 */
export function start(classify, compare, able) {
  const element = (id) => document.getElementById(id);
  if (!able) {
    element("problem").textContent =
      "This browser cannot run the page. Chrome 108, Firefox 101, Safari 16.4 and newer ones can.";
    return;
  }
  const bars = Array.from({ length: 10 }, (_, digit) => addBar(element("bars"), digit));
  const pad = new Pad(element("pad"), changed);
  let drawn = 0; // changes so far
  let blank = 0; // the last change that left nothing; answers to older ones are out of date
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
  element("others").addEventListener("toggle", () => compareOn());
  const classifyOn = keepUp(
    () => true,
    async (picture, change) => {
      const answer = picture && (await classify(picture));
      if (change > blank) show(answer);
    },
    (problem, settled) => {
      if (problem) show(null);
      element("problem").textContent = problem || unreadable;
      element("answer").ariaBusy = String(!settled);
    },
  );
  let networks = []; // what is shown of them
  const compareOn = keepUp(
    () => element("others").open,
    async (picture, change) => {
      networks = [];
      if (picture) await compare(picture, (some) => change > blank && showOthers((networks = some)));
    },
    (problem, settled) => {
      showOthers(networks);
      // Read aloud, so only what is drawn to the end.
      const text = pad.drawing ? "" : problem || (settled ? agreement(networks) : "");
      if (element("agreement").textContent !== text) element("agreement").textContent = text;
    },
  );
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
    classifyOn();
    compareOn();
  }

  /**
   * Return what has work done on the newest drawing, and again until nothing has changed; one at a
   * time, while it is wanted. After each it reports what went wrong, and whether it is done.
   */
  function keepUp(wanted, work, report) {
    let done = 0; // the change that the last work was on
    let busy = false;
    return async () => {
      if (busy) return;
      busy = true;
      while (done < drawn && wanted()) {
        const change = drawn;
        let problem = "";
        try {
          await work(pad.blank ? null : pad.picture(), change);
          done = change;
        } catch (error) {
          problem = error.message || "The drawing could not be classified. Trying again …";
          if (error instanceof Unreadable) done = change;
        }
        report(problem, done === drawn);
        if (done < change) await new Promise((resume) => setTimeout(resume, PAUSE));
      }
      busy = false;
    };
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

function agreement(networks) {
  if (!networks.length) return "Draw a digit.";
  const [{ digit: first }] = networks;
  const alike = networks.filter(({ digit }) => digit === first).length;
  return `${alike} of ${networks.length} networks predict ${first}.`;
}

function showOthers(networks) {
  const rows = networks.map(({ name, regularization, accuracy, digit, probability }) => {
    const row = document.createElement("tr");
    const differs = digit !== networks[0].digit;
    row.classList.toggle("differs", differs);
    const how = regularization.join(", ") || "none of these";
    const shown = differs ? `≠\u202f${digit}` : digit;
    for (const text of [name, how, `${(100 * accuracy).toFixed(2)}\u202f%`, shown, percent(probability)]) {
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
