// Nonces: which requests were already seen. Scoped to the key, asked only for keys that are registered (so strangers
// cannot fill it), kept for as long as the request could be sent again, and bounded: a key that runs into its bound is
// refused until its own older nonces lapse, and nobody else notices.
import type { Clock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { AUTH_WINDOW_S } from "../protocol/auth-envelope.ts";
import type { Pubkey } from "../protocol/primitives.ts";

/** Requests one key may make within the window: 135 a second for two minutes. */
export const NONCES_PER_KEY = 16_384;
/**
 * The same for a key that submits jobs, a whole organisation's perhaps: 1,092 a second, more than one process verifies
 * beside its work. About 25 MB for a key that uses all of it, and only keys let in by an operator have it.
 */
export const NONCES_PER_CLIENT_KEY = 131_072;
/** The same for a key that waits for approval: it only registers, heartbeats and asks `me`. */
export const NONCES_PER_PENDING_KEY = 256;

export type SeenRequest = { pubkey: Pubkey; nonce: string; createdAtS: number };
/** `expired`: outside the window by now, so it may have been forgotten; refused, or a slow body could be a replay. */
export type NonceRefusal = "nonce_replayed" | "nonce_store_full" | "expired";

export type NonceStore = {
  /** Takes a nonce for good, or says why not. `limit`: how many this key may hold. One caller of two wins. */
  take(seen: SeenRequest, limit: number): Result<void, NonceRefusal> | Promise<Result<void, NonceRefusal>>;
};

type KeyNonces = {
  /** Every nonce held, whatever its second. */
  held: Set<string>;
  /** The same nonces by their `created_at`. Never more seconds than the window has. */
  bySecond: Map<number, string[]>;
  /** Second of the last clean-up. */
  cleanedAtS: number;
  /** Latest `created_at` forgotten. Nothing up to it is taken again, even if the clock is set back. */
  forgottenS: number;
};

/** Nonces in the memory of this process; lost at a restart, which is why older requests are refused after one. */
export class MemoryNonces implements NonceStore {
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #keys = new Map<Pubkey, KeyNonces>();
  #sweptAtS = 0;

  constructor(clock: Pick<Clock, "nowMs">) {
    this.#clock = clock;
  }

  take({ pubkey, nonce, createdAtS }: SeenRequest, limit: number): Result<void, NonceRefusal> {
    const nowS = Math.floor(this.#clock.nowMs() / 1000);
    if (Math.abs(nowS - createdAtS) > AUTH_WINDOW_S) return err("expired");
    this.#sweep(nowS);
    const key = this.#keys.get(pubkey) ?? this.#add(pubkey);
    forget(key, nowS);
    if (createdAtS <= key.forgottenS) return err("expired");
    if (key.held.has(nonce)) return err("nonce_replayed");
    if (key.held.size >= limit) return err("nonce_store_full");
    key.held.add(nonce);
    const second = key.bySecond.get(createdAtS);
    if (second) second.push(nonce);
    else key.bySecond.set(createdAtS, [nonce]);
    return ok(undefined);
  }

  /** Drops what a key that left or was ejected holds. */
  drop(pubkey: Pubkey): void {
    this.#keys.delete(pubkey);
  }

  /** Nonces held now, for the metrics. */
  get size(): number {
    let size = 0;
    for (const key of this.#keys.values()) size += key.held.size;
    return size;
  }

  /** Frees what keys that fell silent still hold, once a window. */
  #sweep(nowS: number): void {
    if (Math.abs(nowS - this.#sweptAtS) <= AUTH_WINDOW_S) return;
    this.#sweptAtS = nowS;
    for (const key of this.#keys.values()) forget(key, nowS);
  }

  #add(pubkey: Pubkey): KeyNonces {
    const key: KeyNonces = { held: new Set(), bySecond: new Map(), cleanedAtS: 0, forgottenS: -1 };
    this.#keys.set(pubkey, key);
    return key;
  }
}

/** Looks at the seconds once a second, and at each nonce once in its life: O(1) a nonce over time. */
function forget(key: KeyNonces, nowS: number): void {
  if (key.cleanedAtS === nowS) return;
  key.cleanedAtS = nowS;
  for (const [createdAtS, nonces] of key.bySecond) {
    if (createdAtS >= nowS - AUTH_WINDOW_S) continue;
    for (const nonce of nonces) key.held.delete(nonce);
    key.bySecond.delete(createdAtS);
    key.forgottenS = Math.max(key.forgottenS, createdAtS);
  }
}
