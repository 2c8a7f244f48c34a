// Payouts: payments of nodes on the chain, and why one waits, in words.
import type { PayoutJson } from "../../src/protocol/payouts.ts";
import type { Tone } from "./parts.tsx";

export type PayoutState = PayoutJson["state"];

export const PAYOUT_TONE: Readonly<Record<PayoutState, Tone>> = {
  planned: "wait",
  due: "wait",
  sending: "live",
  stuck: "warn",
  paid: "ok",
  written_off: "off",
};
export const PAYOUT_WORDS: Readonly<Record<PayoutState, string>> = {
  planned: "Planned",
  due: "Due",
  sending: "On its way",
  stuck: "Stuck",
  paid: "Paid",
  written_off: "Written off",
};

/** What is the matter, and what helps. */
export type Trouble = { what: string; mend: string };
const TROUBLES: Readonly<Record<string, Trouble>> = {
  delegate_revoked: {
    what: "Whoever pays it has revoked the approval.",
    mend: "It is looked at each minute and goes on once the approval is there again. Where the treasury pays, approve the settlement key from the treasury's wallet.",
  },
  delegate_replaced: {
    what: "Whoever pays it has approved somebody else.",
    mend: "It goes on once the settlement key is approved again.",
  },
  allowance_exceeded: {
    what: "The approval is for less than this.",
    mend: "It goes on once more is approved. Where the treasury pays, approve more from the treasury's wallet.",
  },
  balance_too_low: {
    what: "The account that pays holds less than this.",
    mend: "It goes on once there is enough. Where the treasury pays, put money into it.",
  },
  insufficient_funds: {
    what: "The account that pays has less than this to give.",
    mend: "It goes on once there is enough, and enough is approved.",
  },
  account_missing: {
    what: "The account that pays is gone.",
    mend: "It goes on if the account is opened again; else write it off.",
  },
  account_frozen: {
    what: "The token's issuer froze the account that pays.",
    mend: "It goes on once that is undone; else write it off.",
  },
  owner_mismatch: {
    what: "The account that pays belongs to somebody else now.",
    mend: "Write it off, or wait for the client.",
  },
  lamports_too_low: {
    what: "The settlement key has too little SOL.",
    mend: "Send some to its address: `infernet stake status` prints it.",
  },
};
/** Of a payout's reason or last trouble; what has no words of its own stands as it is. */
export const troubleOf = (why: string): Trouble => TROUBLES[why] ?? { what: why, mend: "It is tried again by itself." };
