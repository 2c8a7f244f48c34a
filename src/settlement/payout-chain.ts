// Payout chain: what payouts need of a chain, as a type. Every function throws where the chain cannot be asked: then
// nothing is known, and nothing may change.

/** One source's part. µ$ = base units. */
export type Leg = {
  /** Token account that pays by its allowance, base58, or `TREASURY`. */
  source: string;
  nodeAmount: bigint;
  /** Paid to the platform; the treasury keeps it. */
  fee: bigint;
};

/** All that one payout's transaction does. */
export type PayoutOrder = {
  /** 32 hex digits: seed of its marker. */
  id: string;
  /** Owner of the token account to be paid. */
  wallet: string;
  /** The text that its memo carries (protocol/merkle.ts). */
  memo: string;
  legs: readonly Leg[];
  /** Whether to open the wallet's token account where it has none; its rent is the settlement key's, and then the wallet's. */
  opens: boolean;
};

/** A payout's transaction, tried against the newest state. */
export type Prepared =
  /** It would do, and is signed for the next minute or so. Nothing is sent. */
  | {
      outcome: "signed";
      signature: string;
      wire: string;
      /** Last block height at which it can land. */
      lastValidHeight: number;
    }
  /** Sources that do not pay, by what is final, and why. */
  | { outcome: "sources_fail"; failing: readonly { source: string; reason: string }[] }
  /** It is more than a transaction can be. */
  | { outcome: "too_large" }
  /** It would fail, or cannot be made yet, by no source's fault. */
  | { outcome: "not_now"; reason: string };

export type PayoutChain = {
  prepare(order: PayoutOrder): Promise<Prepared>;
  /** Sends what was signed; again is harmless. That it resolves proves nothing. */
  send(wire: string): Promise<void>;
  /** Final height, read first, and whether the payout's marker is there in a state at least as new. */
  look(payoutId: string): Promise<{ height: number; marker: boolean }>;
  /** The final, successful transaction of ours that made the marker, even where the marker is gone since. */
  paymentOf(payoutId: string): Promise<{ signature: string; memo: string } | null>;
  /**
   * Whether a stranger put lamports where the payout's marker is to be, by a final transaction that found nothing there:
   * while they stay, no transaction of this payout can land. That such a one is not found proves nothing.
   */
  markerTaken(payoutId: string): Promise<boolean>;
  /** Final height. */
  height(): Promise<number>;
  /** Why a transaction failed on the chain; null where it did not, or where nothing is known of it. */
  failureOf(signature: string): Promise<string | null>;
  /** Base units that the source could pay now, by what is final. */
  spendable(source: string): Promise<bigint>;
  /** Takes back the rent of markers that are there, by what is final. Returns those that are gone. */
  reclaim(payoutIds: readonly string[]): Promise<string[]>;
};

/** Base58 of 32 bytes, as the chain writes an account. */
export type AddressText = (bytes: Uint8Array) => string;

/** Most markers of one `reclaim`. */
export const MAX_MARKERS = 12;
