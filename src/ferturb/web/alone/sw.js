// Keeps the page's own files, so that it opens without a network. VERSION and FILES stand above.
const NAME = `ferturb-${VERSION}`;

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const old = async () => (await caches.keys()).filter((name) => name.startsWith("ferturb-") && name !== NAME);
  event.waitUntil(old().then((names) => Promise.all(names.map((name) => caches.delete(name)))).then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const kept = async () => (await caches.open(NAME)).match(event.request, { ignoreSearch: true });
  event.respondWith(kept().then((found) => found ?? fetch(event.request)));
});
