// Feed: reads a release feed over HTTP, within bounds of size and time, and never with less protection than its address
// promised.
import type { Cancel, Clock } from "../lib/clock.ts";
import { ok, type Result } from "../lib/result.ts";
import { MANIFEST_FILE, MAX_MANIFEST_BYTES, MAX_SIGNATURE_BYTES, SIGNATURE_FILE } from "./manifest.ts";
import { refuse, type UpdateRefusal } from "./refusal.ts";

export type FeedDeps = {
  clock: Pick<Clock, "after">;
  fetch: (url: string, init?: RequestInit) => Promise<Response>;
  limits: FeedLimits;
  /** The user wants it to end. */
  signal: AbortSignal;
};

export type FeedLimits = {
  /** For an answer's head, and between two pieces of its body. */
  silenceMs: number;
  /** For a whole body. */
  totalMs: number;
  /** For the manifest and for its signature, a few KiB each. */
  manifestMs: number;
};

export const FEED_LIMITS: FeedLimits = { silenceMs: 30_000, totalMs: 3_600_000, manifestMs: 60_000 };
const MAX_REDIRECTS = 5;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** The address of a feed's folder, ending in a slash: https, or http to this very machine. */
export function parseFeedUrl(text: string): Result<URL, UpdateRefusal> {
  const hint = "give it as https://host/folder, the folder of release.json";
  const named = `feed address ${JSON.stringify(text)}`;
  const url = URL.parse(text);
  if (url === null) return refuse("feed_invalid", `${named}: it is not an address`, hint);
  if (url.username !== "" || url.password !== "")
    return refuse("feed_invalid", `feed address ${url.origin}: it must not carry a password`, hint);
  if (url.search !== "" || url.hash !== "")
    return refuse("feed_invalid", `${named}: it must end with the folder's path`, hint);
  if (!isProtected(url)) return refuse("feed_invalid", `${named}: it must be https`, hint);
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return ok(url);
}

const isProtected = ({ protocol, hostname }: URL): boolean =>
  protocol === "https:" || (protocol === "http:" && LOOPBACK.test(hostname));

/** release.json and its signature, unchecked. */
export async function readSignedManifest(
  deps: FeedDeps,
  feed: URL,
): Promise<Result<{ bytes: Uint8Array; signature: string }, UpdateRefusal>> {
  const manifest = await readWhole(deps, new URL(MANIFEST_FILE, feed), MAX_MANIFEST_BYTES);
  if (!manifest.ok) return manifest;
  const signature = await readWhole(deps, new URL(SIGNATURE_FILE, feed), MAX_SIGNATURE_BYTES);
  if (!signature.ok) return signature;
  return ok({ bytes: manifest.value, signature: new TextDecoder().decode(signature.value) });
}

async function readWhole(deps: FeedDeps, url: URL, maxBytes: number): Promise<Result<Uint8Array, UpdateRefusal>> {
  const pieces: Uint8Array[] = [];
  const limits = { ...deps.limits, totalMs: deps.limits.manifestMs };
  const read = await readBody({ ...deps, limits }, url, maxBytes, (piece) => void pieces.push(piece));
  return read.ok ? ok(Buffer.concat(pieces)) : read;
}

/**
 * Gives the body of `url` to `take`, piece by piece; never more than `maxBytes`. What `take` throws comes out of here.
 * Refused: another status than 200, a larger body, silence, a redirect to a less protected address.
 */
export async function readBody(
  deps: FeedDeps,
  url: URL,
  maxBytes: number,
  take: (piece: Uint8Array) => void,
): Promise<Result<void, UpdateRefusal>> {
  const stop = new AbortController();
  const endWhole = deps.clock.after(deps.limits.totalMs, () => stop.abort());
  const signal = AbortSignal.any([stop.signal, deps.signal]);
  const patience = startPatience(deps, () => stop.abort());
  try {
    const opened = await follow({ ...deps, signal }, url, patience);
    if (!opened.ok) return opened;
    const { body, headers, status } = opened.value;
    const tooLarge = () => refuse("feed_failed", `${url.href} is larger than ${maxBytes} bytes`);
    if (status !== 200) return refuse("feed_failed", `${url.href} answers with status ${status}`, FEED_HINT);
    if (Number(headers.get("content-length")) > maxBytes) return tooLarge();
    let bytes = 0;
    for await (const piece of body ?? []) {
      patience.renew();
      bytes += piece.byteLength;
      if (bytes > maxBytes) return tooLarge();
      giveTo(take, piece);
    }
    return ok(undefined);
  } catch (error) {
    if (error instanceof TakeFailed) throw error.cause;
    if (deps.signal.aborted) return refuse("interrupted", "interrupted");
    if (stop.signal.aborted) return refuse("feed_failed", `${url.href} is too slow`, "try again later");
    const why = error instanceof Error ? error.message : String(error);
    return refuse("feed_unreachable", `${url.href} cannot be read: ${why}`, FEED_HINT);
  } finally {
    endWhole();
    patience.end();
    // What is still on its way is not wanted.
    stop.abort();
  }
}

const FEED_HINT = "is the feed's address right? it is [update] feed, or --feed";

/** Follows redirects by hand: each address must be as well protected as a feed's own, and none leaves https. */
async function follow(
  { fetch, signal }: FeedDeps,
  first: URL,
  patience: Patience,
): Promise<Result<Response, UpdateRefusal>> {
  let url = first;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const response = await fetch(url.href, { redirect: "manual", signal, headers: { "accept-encoding": "identity" } });
    patience.renew();
    const location = response.headers.get("location");
    if (response.status < 300 || response.status > 399 || location === null) return ok(response);
    await response.body?.cancel();
    const next = URL.parse(location, url.href);
    if (next === null || !isProtected(next) || (url.protocol === "https:" && next.protocol !== "https:")) {
      return refuse("feed_failed", `${cut(url.href)} redirects to ${cut(location)}, which is not protected by TLS`);
    }
    url = next;
  }
  return refuse("feed_failed", `${first.href} redirects more than ${MAX_REDIRECTS} times`);
}

/** An address that nobody here chose, to be told of. */
const cut = (address: string): string => (address.length > 200 ? `${address.slice(0, 200)}…` : address);

type Patience = { renew(): void; end: Cancel };

/** Calls `onSilence` once nothing was heard for `silenceMs`. */
function startPatience({ clock, limits: { silenceMs } }: FeedDeps, onSilence: () => void): Patience {
  let cancel = clock.after(silenceMs, onSilence);
  return {
    renew() {
      cancel();
      cancel = clock.after(silenceMs, onSilence);
    },
    end: () => cancel(),
  };
}

/** What `take` threw: no fault of the feed. */
class TakeFailed extends Error {}

function giveTo(take: (piece: Uint8Array) => void, piece: Uint8Array): void {
  try {
    take(piece);
  } catch (cause) {
    throw new TakeFailed("what came could not be kept", { cause });
  }
}
