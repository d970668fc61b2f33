// Keeps the site on the device, so that it needs no network after the first visit.
//
// The build puts three constants before these: FILES, the address and hash of each file; LATER,
// those of the networks that are kept once they are asked for; VERSION, the hash of them all.
// Another version is another cache, with all FILES or not at all; once it has them, the page is the
// new one from the next time it is opened. An open page has loaded all it needs, but for LATER.

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
  const integrity = LATER[address.slice(registration.scope.length)];
  if (!integrity) return fetch(request);
  const response = await fetch(request, { cache: "no-cache", integrity });
  if (response.ok) await cache.put(address, response.clone()).catch(() => {}); // no room, say
  return response;
}
