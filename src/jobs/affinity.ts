// Affinity: which nodes are likely to have the beginning of a conversation in their cache, because they served it before.
//
// A conversation is known by its session key, exactly, or by its messages: hashes are chained over them, so that each
// names everything up to there, and a request finds the longest beginning that was served. Remembered are the end of
// each request (the next turn begins with all of it) and its system prompt (which many conversations share). Hashes are
// seeded anew in each process and with the account: nobody learns from where a request goes what others asked.
import type { Pubkey } from "../protocol/primitives.ts";

/** Under which a request is looked up and remembered. */
export type AffinityKeys = {
  /** Of the session that the client named; null where it named none. */
  session: number | null;
  /** Of the request's beginnings, the longest first. */
  prefixes: readonly number[];
  /** Those of `prefixes` to remember it by. */
  kept: readonly number[];
};

/** Shorter beginnings are read anew as fast as they are found. */
export const MIN_PREFIX_CHARS = 256;
/** Beginnings that are looked up for one request. */
const MOST_LOOKED_UP = 48;
/** A single long text, such as a completion's prompt, is cut into blocks of so many characters. */
const BLOCK_CHARS = 4096;

const SEED = crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n;

/** 53 bits of wyhash: exact as a number. */
const hash = (text: string, seed: number | bigint): number =>
  Number(BigInt.asUintN(53, Bun.hash(text, typeof seed === "bigint" ? seed : BigInt(seed))));

/** One message: what tells it from others. */
export type Said = { role: string; texts: readonly string[] };

export function affinityKeys(scope: string, session: string | null, messages: Iterable<Said>): AffinityKeys {
  const seed = hash(scope, SEED);
  const found: number[] = [];
  let chars = 0;
  let at = seed;
  let system: number | null = null;
  let isSystem = true;
  let count = 0;
  let only: Said | undefined;
  for (const message of messages) {
    only = count++ === 0 ? message : undefined;
    isSystem &&= message.role === "system" || message.role === "developer";
    at = hash(message.role, at);
    for (const text of message.texts) {
      at = hash(text, at);
      chars += text.length;
    }
    if (chars < MIN_PREFIX_CHARS) continue;
    found.push(at);
    if (isSystem) system = at;
  }
  const blocks = only ? blockHashes(only, seed) : [];
  const prefixes = [...found.reverse(), ...blocks].slice(0, MOST_LOOKED_UP);
  if (system !== null && !prefixes.includes(system)) prefixes.push(system);
  const kept = [...new Set([found[0], blocks[0], system])].filter((one) => one !== undefined && one !== null);
  return { session: session === null ? null : hash(session, seed + 1), prefixes, kept };
}

/** Of a single text, as far as whole blocks go, the longest first: the next request may add to its end. */
function blockHashes({ role, texts: [text = ""] }: Said, seed: number): number[] {
  const hashes: number[] = [];
  let at = hash(role, seed);
  for (let end = BLOCK_CHARS; end <= text.length; end += BLOCK_CHARS) {
    at = hash(text.slice(end - BLOCK_CHARS, end), at);
    hashes.push(at);
  }
  return hashes.reverse();
}

/** Where something was served. */
type Place = { model: string; pubkey: Pubkey; atMs: number };

export type AffinityIndex = ReturnType<typeof affinityIndex>;

/** Conversations and beginnings that are remembered. */
const MOST_REMEMBERED = 65_536;
/** Nodes remembered for one of them, the latest first. */
const MOST_PLACES = 4;

/** `ttlMs`: what was not served for so long is forgotten; 0 remembers nothing. It is read anew each time. */
export function affinityIndex(rule: { readonly ttlMs: number; max?: number }) {
  const { max = MOST_REMEMBERED } = rule;
  // A Map keeps its order: what is served anew is taken out and put in again, so the first is the oldest.
  const places = new Map<number, readonly Place[]>();
  const remember = (key: number, place: Place) => {
    const others = (places.get(key) ?? []).filter(
      ({ pubkey, model, atMs }) =>
        (pubkey !== place.pubkey || model !== place.model) && place.atMs - atMs <= rule.ttlMs,
    );
    places.delete(key);
    places.set(key, [place, ...others].slice(0, MOST_PLACES));
    if (places.size <= max) return;
    for (const oldest of places.keys()) {
      places.delete(oldest);
      return;
    }
  };
  const at = (key: number, model: string, nowMs: number): readonly Place[] =>
    (places.get(key) ?? []).filter((place) => place.model === model && nowMs - place.atMs <= rule.ttlMs);

  return {
    get size(): number {
      return places.size;
    },

    /** The node has the request before it, and its beginnings soon in its cache. */
    note({ session, kept }: AffinityKeys, model: string, pubkey: Pubkey, nowMs: number): void {
      if (rule.ttlMs === 0) return;
      const place = { model, pubkey, atMs: nowMs };
      if (session !== null) remember(session, place);
      for (const key of kept) remember(key, place);
    },

    /** Who served the session, or else the longest known beginning; `isThere` says whose cache still counts. */
    find<T>(
      { session, prefixes }: AffinityKeys,
      model: string,
      nowMs: number,
      isThere: (pubkey: Pubkey, atMs: number) => T | undefined,
    ): { by: "session" | "prefix"; found: T[] } | null {
      const look = (key: number): T[] =>
        at(key, model, nowMs).flatMap(({ pubkey, atMs }) => isThere(pubkey, atMs) ?? []);
      const inSession = session === null ? [] : look(session);
      // The latest alone: a session is in one place, unless that was loaded.
      if (inSession.length > 0) return { by: "session", found: inSession };
      for (const key of prefixes) {
        const found = look(key);
        if (found.length > 0) return { by: "prefix", found };
      }
      return null;
    },
  };
}
