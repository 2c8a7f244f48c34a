import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { connect } from "node:net";
import { Elysia } from "elysia";
import { type Identity, identityOf } from "../identity/keys.ts";
import { MemoryNonces } from "../identity/nonces.ts";
import { type SignedFetch, signedFetch, signHeader } from "../identity/signed-fetch.ts";
import type { KnownKey, VerifyDeps } from "../identity/verify-request.ts";
import { systemClock } from "../lib/clock.ts";
import { fromHex } from "../lib/hex.ts";
import { authenticateMachine, MAX_MACHINE_BODY_BYTES } from "./machine-auth.ts";

function identity(secret: string): Identity {
  const made = identityOf(fromHex(secret.padStart(64, "0")));
  if (!made.ok) throw new Error(made.error);
  return made.value;
}
const coordinator = identity("2");
const node = identity("3");
const PATH = "/api/v1/node/heartbeat";

let known: KnownKey | undefined;
const deps: VerifyDeps = {
  clock: systemClock,
  recipient: coordinator.pubkey,
  ownKeys: [coordinator.pubkey],
  nonces: new MemoryNonces(systemClock),
  keys: { lookup: (pubkey) => (pubkey === node.pubkey ? known : undefined), markV2Seen() {} },
  acceptV1: true,
  listeningSinceMs: 0,
};
const app = new Elysia().all(
  "/api/v1/node/*",
  async ({ request }) => {
    const verified = await authenticateMachine(deps, request, "polling");
    if (!verified.ok) return verified.error;
    return { data: { pubkey: verified.value.pubkey, bytes: verified.value.body.byteLength } };
  },
  { parse: "none" },
);

let base: string;
let call: SignedFetch;
beforeAll(() => {
  app.listen({ port: 0, hostname: "127.0.0.1" });
  base = `http://127.0.0.1:${app.server?.port}`;
  call = signedFetch({
    identity: node,
    aud: coordinator.pubkey,
    clock: systemClock,
    random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
    sleep: () => Promise.reject(new Error("slept")),
    fetch,
  });
});
afterAll(() => app.stop(true));
beforeEach(() => {
  known = { status: "approved", role: "provider", authV2Seen: true, accountId: "local" };
});

const header = (body = "") =>
  signHeader(
    {
      identity: node,
      aud: coordinator.pubkey,
      clock: systemClock,
      random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
    },
    "POST",
    PATH,
    body,
  );

/** Speaks HTTP by hand; resolves once `until` was seen or the connection has closed. */
function raw(pieces: string[], until: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(Number(app.server?.port), "127.0.0.1", () => {
      for (const piece of pieces) socket.write(piece);
    });
    socket.on("data", (data) => {
      answer += data;
      if (until.test(answer)) socket.destroy();
    });
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
  });
}

test("a signed request over HTTP is verified, whatever its path's spelling, and its body handed on", async () => {
  for (const path of [PATH, `${PATH}?limit=5&x=%7e`, `${PATH}?`, "/api/v1/node/jobs/a%20b/events?ü=é|"]) {
    const response = await call(base + path, { method: "POST", body: '{"text":"Grüße 🌍"}' });
    expect([response.status, await response.json()]).toEqual([200, { data: { pubkey: node.pubkey, bytes: 23 } }]);
  }
  const empty = await call(base + PATH, { method: "GET" });
  expect(await empty.json()).toEqual({ data: { pubkey: node.pubkey, bytes: 0 } });
});

test("a JSON body is not parsed before it is hashed", async () => {
  const response = await call(base + PATH, {
    method: "POST",
    body: "{ not json",
    headers: { "content-type": "application/json" },
  });
  expect(await response.json()).toEqual({ data: { pubkey: node.pubkey, bytes: 10 } });
});

test("a refusal has its status, message and code", async () => {
  const response = await fetch(base + PATH, { method: "POST", body: "{}" });
  expect([response.status, response.headers.get("www-authenticate")]).toEqual([401, "X-Infernet-Auth"]);
  expect(await response.json()).toEqual({ error: "x-infernet-auth is missing", code: "header_missing" });
  known = { status: "pending", role: "provider", authV2Seen: true, accountId: "local" };
  const pending = await call(base + PATH, { method: "POST", body: "{}" });
  expect([pending.status, await pending.json()]).toMatchObject([403, { code: "key_pending" }]);
});

test("a body of exactly 1 MiB is taken", async () => {
  const response = await call(base + PATH, { method: "POST", body: new Uint8Array(MAX_MACHINE_BODY_BYTES) });
  expect(await response.json()).toEqual({ data: { pubkey: node.pubkey, bytes: MAX_MACHINE_BODY_BYTES } });
});

test("a declared length over 1 MiB is refused before a byte of it was sent", async () => {
  const answer = await raw(
    [
      `POST ${PATH} HTTP/1.1\r\nHost: localhost\r\nX-Infernet-Auth: ${header()}\r\n`,
      `Content-Length: ${MAX_MACHINE_BODY_BYTES + 1}\r\n\r\n`,
    ],
    /body_too_large/,
  );
  expect(answer).toContain("HTTP/1.1 413");
});

test("an undeclared length is refused as soon as it goes over 1 MiB", async () => {
  const chunk = `10000\r\n${"x".repeat(0x10000)}\r\n`;
  const answer = await raw(
    [
      `POST ${PATH} HTTP/1.1\r\nHost: localhost\r\nX-Infernet-Auth: ${header()}\r\nTransfer-Encoding: chunked\r\n\r\n`,
      // 17 of 16 fit, and the last chunk that would end the body is never sent.
      ...Array.from({ length: 17 }, () => chunk),
    ],
    /body_too_large/,
  );
  expect(answer).toContain("HTTP/1.1 413");
});

test("a stranger with a huge body is refused as a stranger: the body is not read", async () => {
  known = undefined;
  const answer = await raw(
    [`POST ${PATH} HTTP/1.1\r\nHost: localhost\r\nX-Infernet-Auth: ${header()}\r\n`, "Content-Length: 1000000\r\n\r\n"],
    /key_unknown/,
  );
  expect(answer).toContain("HTTP/1.1 401");
});

test("two headers are refused as malformed", async () => {
  const answer = await raw(
    [
      `POST ${PATH} HTTP/1.1\r\nHost: localhost\r\nX-Infernet-Auth: ${header()}\r\nX-Infernet-Auth: ${header()}\r\n\r\n`,
    ],
    /"code":"[a-z_]+"/,
  );
  expect(answer).toContain("header_malformed");
});
