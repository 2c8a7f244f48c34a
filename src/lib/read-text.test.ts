import { afterAll, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { readText } from "./read-text.ts";

const MIB = 1024 * 1024;
const BOMB = gzipSync(Buffer.alloc(8 * MIB, "a"));
const left = Promise.withResolvers<void>();

/** Sends for as long as anybody reads. */
const endless = () =>
  new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(new Uint8Array(1024).fill(97));
    },
    cancel: () => left.resolve(),
  });
const ROUTES: Record<string, () => Response> = {
  "/short": () => new Response("grüß"),
  "/endless": () => new Response(endless()),
  "/packed": () => new Response(gzipSync("packed"), { headers: { "content-encoding": "gzip" } }),
  "/bomb": () => new Response(BOMB, { headers: { "content-encoding": "gzip" } }),
};
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: (request) => ROUTES[new URL(request.url).pathname]?.() ?? new Response("", { status: 404 }),
});
afterAll(() => server.stop(true));

const read = async (path: string, maxBytes: number) => readText(await fetch(new URL(path, server.url)), maxBytes);

test("a body is read whole", async () => {
  expect(await read("/short", 100)).toBe("grüß");
  expect(await read("/packed", 100)).toBe("packed");
  expect(await read("/packed", 6)).toBe("packed");
});

test("what does not end is cut and let go", async () => {
  expect(await read("/endless", 64 * 1024 + 1)).toBe("a".repeat(64 * 1024 + 1));
  await left.promise;
});

test("a packed body is cut by its unpacked size: the declared length says nothing of it", async () => {
  expect(BOMB.byteLength).toBeLessThan(64 * 1024);
  expect(await read("/bomb", 64 * 1024)).toBe("a".repeat(64 * 1024));
});
