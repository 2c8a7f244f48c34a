// Service worker: a page to show while there is no connection, and where a click on a notification leads. It keeps no
// page of anybody's: only the offline page, which says nothing, and what that looks like. The server fills in KEPT.
const OFFLINE = "/offline";
const KEPT = [OFFLINE, "KEPT"];
const CACHE = `offline ${KEPT.join(" ")}`;

addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(KEPT.map((path) => new Request(path, { cache: "reload", credentials: "omit" }))))
      .then(() => skipWaiting()),
  );
});
addEventListener("activate", (event) => {
  const others = (names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name)));
  event.waitUntil(
    caches
      .keys()
      .then(others)
      .then(() => clients.claim()),
  );
});
addEventListener("fetch", (event) => {
  const { mode, method, url } = event.request;
  if (method !== "GET") return;
  const { pathname } = new URL(url);
  if (mode === "navigate") event.respondWith(fetch(event.request).catch(() => caches.match(OFFLINE)));
  else if (KEPT.includes(pathname)) event.respondWith(fetch(event.request).catch(() => caches.match(pathname)));
});
addEventListener("notificationclick", (event) => {
  event.notification.close();
  const url = new URL(event.notification.data?.path ?? "/", location.origin).href;
  const show = async () => {
    const open = await clients.matchAll({ type: "window" });
    const here = open.find((client) => client.url === url) ?? open[0];
    if (!here) return clients.openWindow(url);
    await here.focus();
    return here.url === url ? undefined : here.navigate(url);
  };
  event.waitUntil(show());
});
