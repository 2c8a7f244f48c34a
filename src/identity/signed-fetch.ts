// Signed fetch: how our own instances call each other and themselves: every request with a fresh version 2 header for
// one recipient.
import { createHash } from "node:crypto";
import type { Clock } from "../lib/clock.ts";
import { toHex } from "../lib/hex.ts";
import { readText } from "../lib/read-text.ts";
import { AUTH_HEADER } from "../protocol/auth-envelope.ts";
import { signV2 } from "../protocol/auth-v2.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import type { Identity } from "./keys.ts";

/** Tries again where a request was signed in the second in which the other side started. */
const START_RETRIES = 2;
const START_RETRY_MS = 1000;
/** A refusal has no more to say. */
const MAX_REFUSAL_BYTES = 64 * 1024;

export type SignerDeps = {
  identity: Identity;
  /** The key of the instance that is to accept the requests. */
  aud: Pubkey;
  clock: Pick<Clock, "nowMs">;
  /** That many random bytes. */
  random: (bytes: number) => Uint8Array;
};
export type SignedFetchDeps = SignerDeps & {
  fetch: (url: string, init: RequestInit) => Promise<Response>;
  sleep: (ms: number) => Promise<void>;
};

export type SignedInit = {
  method?: string;
  /** Sent as it is: it is what the signature covers. */
  body?: string | Uint8Array<ArrayBuffer>;
  headers?: Record<string, string>;
  signal?: AbortSignal;
};
export type SignedFetch = (url: string, init?: SignedInit) => Promise<Response>;

/** A fresh `X-Infernet-Auth` value. `path`: with query, as it will be sent. Also for the link's upgrade. */
export function signHeader(deps: SignerDeps, method: string, path: string, body: string | Uint8Array = ""): string {
  return signV2(deps.identity.secretKey, {
    method,
    path,
    createdAtS: Math.floor(deps.clock.nowMs() / 1000),
    nonce: toHex(deps.random(16)),
    bodySha256: createHash("sha256").update(body).digest("hex"),
    aud: deps.aud,
  });
}

/** `fetch` that signs. Redirects are not followed: the signature is for one path of one recipient. */
export function signedFetch(deps: SignedFetchDeps): SignedFetch {
  return async (url, init = {}) => {
    for (let retries = 0; ; retries++) {
      const response = await sendOnce(deps, url, init);
      if (retries === START_RETRIES || response.status !== 401) return response;
      const why = await readText(response, MAX_REFUSAL_BYTES);
      if (!why.includes('"created_before_start"')) return new Response(why, response);
      await deps.sleep(START_RETRY_MS);
    }
  };
}

function sendOnce(deps: SignedFetchDeps, url: string, init: SignedInit): Promise<Response> {
  // Sent as it is signed: the parsed spelling, not the caller's.
  const { origin, pathname, search } = new URL(url);
  const method = (init.method ?? "GET").toUpperCase();
  const header = signHeader(deps, method, pathname + search, init.body);
  return deps.fetch(origin + pathname + search, {
    ...init,
    method,
    redirect: "manual",
    headers: { ...init.headers, [AUTH_HEADER]: header },
  });
}
