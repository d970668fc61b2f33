// The page with the networks in the browser itself: LiteRT as WebAssembly, and no server.

import { Environment, loadAndCompile, loadLiteRt, Tensor } from "../litert/index.js";
import { start, Unreadable } from "./app.js";
import { NoDigit, normalize } from "./drawing.js";

const NETWORKS = "networks/"; // its networks.json begins with the one in use
// LiteRT's build without relaxed SIMD, which not every browser has: so small a network needs none.
const LITERT = "litert/litert_wasm_compat_internal.js";

// A module with two of the SIMD instructions that even this build has.
const SIMD = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15,
  253, 98, 11,
);
const able = typeof WebAssembly === "object" && WebAssembly.validate(SIMD);

const where = document.getElementById("where");
const loading = new Map(); // what was asked for, by address

start(classify, compare, able);
if (able) {
  where.textContent = "Loading the network …";
  first().catch(() => {}); // the first drawing tries again, and says so
  stay().catch(() => {}); // merely not offline then
}

async function classify(picture) {
  const pixels = see(picture);
  const probabilities = await run(await first(), pixels);
  return { digit: probabilities.indexOf(Math.max(...probabilities)), probabilities, pixels };
}

async function compare(picture, show) {
  const pixels = see(picture);
  const cards = await once(`${NETWORKS}networks.json`, list);
  const found = cards.map(() => null);
  const all = cards.map(async (card, at) => {
    const probabilities = await run(await once(NETWORKS + card.file, load), pixels);
    const probability = Math.max(...probabilities);
    found[at] = { ...card, digit: probabilities.indexOf(probability), probability };
    show(found.filter(Boolean));
  });
  const missing = (await Promise.allSettled(all)).find(({ reason }) => reason);
  if (missing) throw missing.reason;
}

/** Return the 784 grey levels that the networks see of a picture. */
function see(picture) {
  const { width, height } = picture;
  const { data } = picture.getContext("2d").getImageData(0, 0, width, height);
  try {
    const pixels = normalize(data, width, height);
    if (pixels) return pixels;
  } catch (error) {
    if (error instanceof NoDigit) throw new Unreadable(error.message);
    throw error;
  }
  throw new Unreadable("No digit stands out from the paper.");
}

/** Return the network in use. */
async function first() {
  const [card] = await once(`${NETWORKS}networks.json`, list);
  const network = await once(NETWORKS + card.file, load);
  where.textContent = "This device classifies the digit; your drawing stays here.";
  return network;
}

/** Return what `get` makes of an address, which it is asked for once. */
function once(address, get) {
  const found =
    loading.get(address) ??
    get(address).catch((error) => {
      console.warn(address, error);
      loading.delete(address);
      throw new Error("The network could not be loaded. Trying again …");
    });
  loading.set(address, found);
  return found;
}

async function list(address) {
  return (await fetched(address)).json();
}

async function load(address) {
  const model = new Uint8Array(await (await fetched(address)).arrayBuffer());
  await once(LITERT, begin);
  return loadAndCompile(model, { accelerator: "wasm" });
}

async function begin(address) {
  // A GPU is not asked for: for so small a network it costs more time than it saves.
  Environment.create = async () => new Environment({ webGpuDevice: null });
  globalThis.Module = { printErr: (line) => console.debug(line) }; // its log, no errors
  await loadLiteRt(new URL(address, document.baseURI).href);
}

async function fetched(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(response.statusText);
  return response;
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
      const shares = [...output.toTypedArray()]; // in steps of 1/256, which may not sum to 1
      const total = shares.reduce((a, b) => a + b);
      return shares.map((share) => share / total);
    } finally {
      output.delete();
    }
  } finally {
    input.delete();
  }
}
