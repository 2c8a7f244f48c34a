import { expect, test } from "bun:test";
import { manualClock } from "../lib/clock.ts";
import { fromHex } from "../lib/hex.ts";
import { parseAuthHeader } from "../protocol/auth-envelope.ts";
import { type Identity, identityOf } from "./keys.ts";
import { MemoryNonces } from "./nonces.ts";
import { type SignedFetchDeps, signedFetch } from "./signed-fetch.ts";
import { verifyMachineRequest } from "./verify-request.ts";

function identity(secret: string): Identity {
  const made = identityOf(fromHex(secret.padStart(64, "0")));
  if (!made.ok) throw new Error(made.error);
  return made.value;
}
const us = identity("3");
const them = identity("2");

/** The other side: verifies what it gets, and answers with the refusal's code or 200. */
function setting(startedInMs = -1_000_000) {
  const clock = manualClock();
  const listeningSinceMs = clock.nowMs() + startedInMs;
  const sent: { url: string; init: RequestInit }[] = [];
  const slept: number[] = [];
  const verifier = {
    clock,
    recipient: them.pubkey,
    ownKeys: [],
    nonces: new MemoryNonces(clock),
    keys: {
      lookup: () => ({ status: "approved", role: "client", authV2Seen: true, accountId: "local" }) as const,
      markV2Seen() {},
    },
    acceptV1: false,
    listeningSinceMs,
  };
  const deps: SignedFetchDeps = {
    identity: us,
    aud: them.pubkey,
    clock,
    random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
    sleep: async (ms) => {
      slept.push(ms);
      clock.advance(ms);
    },
    fetch: async (url, init) => {
      sent.push({ url, init });
      const request = new Request(url, init);
      const verified = await verifyMachineRequest(
        verifier,
        {
          method: request.method,
          pathWithQuery: request.url.slice(new URL(request.url).origin.length),
          header: request.headers.get("x-infernet-auth"),
          body: await request.bytes(),
        },
        "client",
      );
      if (verified.ok) return Response.json({ data: verified.value.pubkey });
      return Response.json({ error: "", code: verified.error.code }, { status: verified.error.status });
    },
  };
  return { deps, sent, slept, call: signedFetch(deps) };
}

test("every request verifies at its recipient: with body and query, without, with bytes", async () => {
  const { call, deps } = setting();
  expect((await call("http://h/v1/models?limit=5")).status).toBe(200);
  expect((await call("http://h/v1/x?", { method: "post", body: '{"a":"ü"}' })).status).toBe(200);
  expect((await call("http://h/v1/x", { method: "POST", body: Uint8Array.of(0, 255) })).status).toBe(200);
  expect((await call("http://h/a b/../ü?q=ü|")).status).toBe(200);
  const elsewhere = signedFetch({ ...deps, aud: us.pubkey });
  expect(await (await elsewhere("http://h/v1/models")).json()).toMatchObject({ code: "wrong_recipient" });
});

test("each request has its own nonce, the headers and signal given, and follows no redirect", async () => {
  const { call, sent } = setting();
  const { signal } = new AbortController();
  await call("http://h/x", { headers: { accept: "application/json" }, signal });
  await call("http://h/x");
  const headers = sent.map(({ init }) => new Headers(init.headers).get("x-infernet-auth"));
  const nonces = headers.map((header) => {
    const parsed = parseAuthHeader(header);
    return parsed.ok ? parsed.value.nonce : "";
  });
  expect(nonces[0]).toMatch(/^[0-9a-f]{32}$/);
  expect(new Set(nonces).size).toBe(2);
  expect(sent[0]?.init).toMatchObject({ redirect: "manual", signal, headers: { accept: "application/json" } });
});

test("a request signed in the second of the other side's start is signed again and tried again", async () => {
  const { call, sent, slept } = setting(+1);
  const response = await call("http://h/x", { method: "POST", body: "{}" });
  expect(response.status).toBe(200);
  expect([sent.length, slept]).toEqual([2, [1000]]);
});

test("it gives up after two more tries, and passes on every other refusal at once", async () => {
  const late = setting(60_000);
  expect(await (await late.call("http://h/x")).json()).toMatchObject({ code: "created_before_start" });
  expect(late.sent.length).toBe(3);
  const wrong = setting();
  const response = await signedFetch({ ...wrong.deps, aud: us.pubkey })("http://h/x");
  expect([response.status, wrong.sent.length]).toEqual([401, 1]);
});

test("of a refusal without measure only the beginning is read", async () => {
  const { deps } = setting();
  let pulled = 0;
  const refusing = async () => {
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (++pulled > 64) controller.close();
        else controller.enqueue(new Uint8Array(1024 * 1024).fill(97));
      },
    });
    return new Response(body, { status: 401 });
  };
  const response = await signedFetch({ ...deps, fetch: refusing })("http://h/x");
  expect(response.status).toBe(401);
  expect((await response.text()).length).toBeLessThan(8 * 1024 * 1024);
  expect(pulled).toBeLessThan(8);
});
