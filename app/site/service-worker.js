// Keeps the site on the device, so that it needs no network after the first visit.
//
// The build puts two lines before these: FILES, the address and hash of each file, and VERSION,
// the hash of them all. Another version is another cache, whole or not at all; once it is whole,
// the page is the new one from the next time it is opened. An open page has loaded all it needs.

const PREFIX = `digits ${registration.scope} `; // a host's sites have their caches in common
const CACHE = PREFIX + VERSION;

addEventListener("install", (event) => event.waitUntil(store()));
addEventListener("activate", (event) => event.waitUntil(Promise.all([tidy(), clients.claim()])));
addEventListener("fetch", (event) => event.respondWith(answer(event.request)));

/** Keep every file; a file of another version than the rest ends this, and it is tried later. */
async function store() {
  const cache = await caches.open(CACHE);
  await cache.addAll(
    Object.entries(FILES).map(
      ([address, integrity]) => new Request(address, { cache: "no-cache", integrity }),
    ),
  );
  await skipWaiting();
}

/** Delete the caches of other versions. */
async function tidy() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
}

async function answer(request) {
  const cache = await caches.open(CACHE);
  // The page is kept as the folder: some hosts redirect index.html to it.
  const address = request.url.replace("/index.html", "/");
  const kept = await cache.match(address, { ignoreSearch: true, ignoreVary: true });
  if (kept) return kept;
  const response = await fetch(request);
  // A network is kept when it is first asked for.
  if (response.ok && address.endsWith(".tflite")) await cache.put(address, response.clone());
  return response;
}
