// Payouts view: what a node's own dashboard knows of being paid, and what its owner does about it.
import type { Result } from "../../lib/result.ts";
import type { EarningsJson, PayoutJson, PreparedJson } from "../../protocol/payouts.ts";

export type OwnPayouts = {
  /** The wallet that was named on this machine. */
  wallet(): string | null;
  /** Asks the coordinators. Never throws for what they say. */
  look(): Promise<readonly CoordinatorPayouts[]>;
  /** The address that was typed, where a wallet can have it; `offCurve`: or a program. */
  check(text: string, offCurve: boolean): Promise<Result<string, "not_an_address" | "off_curve">>;
  /** Signed with the node's key, at each coordinator that pays on a chain. What went wrong in words. */
  set(address: string): Promise<Result<void, string>>;
  /** Asks for what is unpaid. False: that is under way already. */
  begin(): boolean;
  /** The last time that it was asked for, since the start of the process. */
  run(): PayoutRun | null;
};
/** `earnings` null: it does not answer. `payouts`: the newest first. */
export type CoordinatorPayouts = {
  coordinator: string;
  earnings: EarningsJson | null;
  payouts: readonly PayoutJson[];
};
export type PayoutRun = {
  startedMs: number;
  endedMs: number | null;
  steps: ({ step: "agreed" | "seen" | "verified"; payout: PayoutJson } | { step: "following" })[];
  outcomes: (
    | { coordinator: string; payouts: PayoutJson[]; nothing: "not_on_chain" | PreparedJson["nothing"] }
    | { coordinator: string; failed: string }
  )[];
};

export type PayoutsView = {
  name: string;
  csrf: string;
  wallet: string | null;
  told: readonly CoordinatorPayouts[];
  run: PayoutRun | null;
  nowMs: number;
  form: AddressForm;
};
export type AddressForm = {
  typed: string;
  /** A program's, which is meant. */
  vault: boolean;
  fault: { field: string | null; words: string } | null;
  /** The address that is to be confirmed. */
  asks: string | null;
};
export const EMPTY_FORM: AddressForm = { typed: "", vault: false, fault: null, asks: null };
