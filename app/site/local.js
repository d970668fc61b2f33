// The page with the network in the browser itself: LiteRT as WebAssembly, and no server.

import { Environment, loadAndCompile, loadLiteRt, Tensor } from "../litert/index.js";
import { start, Unreadable } from "./app.js";
import { normalise } from "./drawing.js";

const MODEL = "network.tflite";
// LiteRT's build without relaxed SIMD, which not every browser has: so small a network needs none.
const LITERT = "litert/litert_wasm_compat_internal.js";

const where = document.getElementById("where");
let loading;

where.textContent = "Loading the network …";
network().catch(() => {}); // the first drawing tries again, and says so
start(classify);
stay().catch(() => {}); // merely not offline then

async function classify(picture) {
  const { width, height } = picture;
  const { data } = picture.getContext("2d").getImageData(0, 0, width, height);
  const pixels = normalise(data, width, height);
  if (!pixels) throw new Unreadable("There is no digit on the paper, only ink.");
  const probabilities = await run(await network(), pixels);
  return { digit: probabilities.indexOf(Math.max(...probabilities)), probabilities, pixels };
}

/** Return the network, loaded once. */
function network() {
  loading ??= load().catch(() => {
    loading = undefined;
    throw new Error("The network could not be loaded. Trying again …");
  });
  return loading;
}

async function load() {
  const response = await fetch(MODEL);
  if (!response.ok) throw new Error(response.statusText);
  const model = new Uint8Array(await response.arrayBuffer());
  // A GPU is not asked for: for so small a network it costs more time than it saves.
  Environment.create = async () => new Environment({ webGpuDevice: null });
  globalThis.Module = { printErr: (line) => console.debug(line) }; // its log, no errors
  await loadLiteRt(new URL(LITERT, document.baseURI).href);
  const compiled = await loadAndCompile(model, { accelerator: "wasm" });
  where.textContent = "This device classifies the digit; your drawing stays here.";
  return compiled;
}

/** Keep the site on the device. */
async function stay() {
  await navigator.serviceWorker.register("service-worker.js"); // no such thing without https
  await navigator.serviceWorker.ready;
  where.after(" Works offline, too.");
}

/** Return the ten probabilities for 784 grey levels. LiteRT's tensors are freed by hand. */
async function run(model, pixels) {
  const input = new Tensor(Float32Array.from(pixels), [1, 28, 28, 1]);
  try {
    const [output] = await model.run([input]);
    try {
      return [...output.toTypedArray()];
    } finally {
      output.delete();
    }
  } finally {
    input.delete();
  }
}
