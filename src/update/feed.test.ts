// Reading a feed: a real server on this machine for what goes over HTTP, an invented fetch for what must not happen with
// TLS, which such a server has not.
import { afterAll, describe, expect, test } from "bun:test";
import { manualClock } from "../lib/clock.ts";
import { type FeedDeps, type FeedLimits, parseFeedUrl, readBody, readSignedManifest } from "./feed.ts";

const clock = manualClock();
const LIMITS: FeedLimits = { silenceMs: 10_000, totalMs: 20_000, manifestMs: 20_000 };
const depsWith = (over: Partial<FeedDeps> = {}): FeedDeps => ({
  clock,
  fetch: (url, init) => fetch(url, init),
  limits: LIMITS,
  signal: new AbortController().signal,
  ...over,
});

/** Sends "ab" and then nothing more, until the reader goes. */
const stalling = (): Response =>
  new Response(
    new ReadableStream({
      start: (stream) => stream.enqueue(new TextEncoder().encode("ab")),
    }),
  );
const ROUTES: Record<string, () => Response> = {
  "/feed/release.json": () => new Response("{}"),
  "/feed/release.json.sig": () => new Response("ab\n"),
  "/ten": () => new Response("0123456789"),
  "/endless": () =>
    new Response(
      new ReadableStream({
        pull: (stream) => stream.enqueue(new Uint8Array(1024)),
      }),
    ),
  "/stalling": stalling,
  "/slow/release.json": stalling,
  "/to-ten": () => new Response(null, { status: 302, headers: { location: "/ten" } }),
  "/round": () => new Response(null, { status: 302, headers: { location: "/round" } }),
  "/to-ftp": () => new Response(null, { status: 302, headers: { location: "ftp://127.0.0.1/ten" } }),
  "/to-plain": () => new Response(null, { status: 302, headers: { location: "http://feed.example/ten" } }),
  "/to-file": () => new Response(null, { status: 302, headers: { location: "file:///etc/hostname" } }),
};
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  idleTimeout: 60,
  fetch: (request) => ROUTES[new URL(request.url).pathname]?.() ?? new Response("no", { status: 404 }),
});
afterAll(() => server.stop(true));

/** `afterMs`: how long it is from each piece to the next. */
async function read(path: string, maxBytes = 1000, afterMs = 0) {
  let text = "";
  const url = new URL(path, server.url);
  const result = await readBody(depsWith(), url, maxBytes, (piece) => {
    text += new TextDecoder().decode(piece);
    clock.advance(afterMs);
  });
  return { result, text };
}
const refusedAs = (code: string, message: RegExp | string) => ({
  ok: false,
  error: { code, message: expect.stringMatching(message) },
});

describe("addresses", () => {
  test.each([
    ["https://example.org/infernet", "https://example.org/infernet/"],
    ["https://example.org", "https://example.org/"],
    ["http://127.0.0.1:8080/r/", "http://127.0.0.1:8080/r/"],
    ["http://localhost:8080", "http://localhost:8080/"],
    ["http://[::1]:8080", "http://[::1]:8080/"],
  ])("%s is one", (text, href) => {
    const url = parseFeedUrl(text);
    expect(url.ok && url.value.href).toBe(href);
  });
  test.each([
    ["example.org", /not an address/],
    ["http://example.org/r", /must be https/],
    ["http://127.0.0.1.example.org/r", /must be https/],
    ["http://192.168.1.1/r", /must be https/],
    ["file:///srv/feed", /must be https/],
    ["ftp://example.org/r", /must be https/],
    ["https://user:secret@example.org/r", /password/],
    ["https://example.org/r?file=", /folder/],
    ["https://example.org/r#x", /folder/],
  ])("%s is none", (text, why) => {
    const url = parseFeedUrl(text);
    expect(url).toMatchObject(refusedAs("feed_invalid", why));
    expect(JSON.stringify(url)).not.toContain("secret");
  });
});

test("the manifest and its signature are read as they are", async () => {
  const feed = parseFeedUrl(`${server.url}feed`);
  if (!feed.ok) throw new Error(feed.error.message);
  const signed = await readSignedManifest(depsWith(), feed.value);
  expect(signed).toEqual({ ok: true, value: { bytes: Buffer.from("{}"), signature: "ab\n" } });
});

test("a body comes whole, over a redirect on this machine too", async () => {
  expect(await read("/ten", 10)).toEqual({ result: { ok: true, value: undefined }, text: "0123456789" });
  expect((await read("/to-ten", 10)).text).toBe("0123456789");
});

test.each([
  ["/ten", 9, "feed_failed", /larger than 9 bytes/],
  ["/endless", 100_000, "feed_failed", /larger than 100000 bytes/],
  ["/missing", 10, "feed_failed", /status 404/],
  ["/round", 10, "feed_failed", /redirects more than 5 times/],
  ["/to-ftp", 10, "feed_failed", /redirects to ftp:.* not protected/],
  ["/to-plain", 10, "feed_failed", /redirects to http:.* not protected/],
  ["/to-file", 10, "feed_failed", /redirects to file:.* not protected/],
] as const)("%s up to %d bytes is refused", async (path, maxBytes, code, why) => {
  const { result, text } = await read(path, maxBytes);
  expect(result).toMatchObject(refusedAs(code, why));
  expect(text.length).toBeLessThanOrEqual(maxBytes);
});

test("what falls silent is given up", async () => {
  const { result, text } = await read("/stalling", 1000, LIMITS.silenceMs);
  expect(result).toMatchObject(refusedAs("feed_failed", /too slow/));
  expect(text).toBe("ab");
});

test("a manifest is small, and not waited for as long as an executable", async () => {
  const limits = { ...LIMITS, manifestMs: LIMITS.silenceMs - 1 };
  const slowly: FeedDeps["fetch"] = async (url, init) => {
    const response = await fetch(url, init);
    clock.advance(limits.manifestMs);
    return response;
  };
  const manifest = await readSignedManifest(depsWith({ fetch: slowly, limits }), new URL("/slow/", server.url));
  expect(manifest).toMatchObject(refusedAs("feed_failed", /too slow/));
});

test("what never ends is given up", async () => {
  const { result } = await read("/endless", Number.MAX_SAFE_INTEGER, LIMITS.silenceMs / 10);
  expect(result).toMatchObject(refusedAs("feed_failed", /too slow/));
});

test("the user ends it", async () => {
  const stop = new AbortController();
  const reading = readBody(depsWith({ signal: stop.signal }), new URL("/stalling", server.url), 1000, () =>
    stop.abort(),
  );
  expect(await reading).toMatchObject(refusedAs("interrupted", "interrupted"));
});

test("an address where nobody listens is unreachable", async () => {
  const gone = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("") });
  const url = new URL("/x", gone.url);
  await gone.stop(true);
  const result = await readBody(depsWith(), url, 10, () => undefined);
  expect(result).toMatchObject(refusedAs("feed_unreachable", /cannot be read/));
});

test("what the taker throws is no fault of the feed", async () => {
  const full = new Error("disk full");
  const reading = readBody(depsWith(), new URL("/ten", server.url), 10, () => {
    throw full;
  });
  expect(await reading.catch((error: unknown) => error)).toBe(full);
});

describe("a feed with TLS", () => {
  const redirecting = (location: string) => async (url: string) =>
    url === "https://feed.example/x"
      ? new Response(null, { status: 301, headers: { location } })
      : new Response("there", { status: 200 });
  const readFrom = (location: string) =>
    readBody(depsWith({ fetch: redirecting(location) }), new URL("https://feed.example/x"), 10, () => undefined);

  test("may send on to another address with TLS", async () => {
    expect(await readFrom("https://files.example/x")).toEqual({ ok: true, value: undefined });
  });
  test.each(["http://feed.example/x", "http://127.0.0.1/x", "data:text/plain,x"])("not to %s", async (location) => {
    expect(await readFrom(location)).toMatchObject(refusedAs("feed_failed", /not protected by TLS/));
  });
  test("nor to pages of an address, which is told in few words", async () => {
    const refused = await readFrom(`http://feed.example/${"x".repeat(16_000)}`);
    expect(refused).toMatchObject(refusedAs("feed_failed", /redirects to http:\/\/feed\.example\/x+…, which is not/));
    expect(JSON.stringify(refused).length).toBeLessThan(500);
  });
});
