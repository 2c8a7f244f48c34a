// Money nav: the pages of an admin's money, beside the head of each.
import type { Markup } from "./markup.ts";
import { Segments } from "./parts.tsx";

const PLACES = [
  ["/admin/money", "Overview"],
  ["/admin/money/accounts", "Accounts"],
  ["/admin/money/payouts", "Payouts"],
  ["/admin/money/chain", "Chain"],
  ["/admin/money/check", "Ledger check"],
] as const;
const ON_CHAIN = ["/admin/money/payouts", "/admin/money/chain"];

export type MoneyPlace = (typeof PLACES)[number][0];

export const MoneyNav = ({ here, onChain }: { here: MoneyPlace; onChain: boolean }): Markup => (
  <Segments
    name="Money"
    all={PLACES.filter(([href]) => onChain || !ON_CHAIN.includes(href)).map(([href, label]) => ({
      ...{ href, label, here: href === here },
    }))}
  />
);

/** What each of the network's own accounts is. */
export const SYSTEM_WORDS: Readonly<Record<string, string>> = {
  "platform/fees": "The platform's share of all that was charged",
  "platform/slashed": "Taken from stakes",
  "platform/grants": "The other side of credit that was granted: below zero by as much",
  "platform/adjustments": "The other side of corrections, and of what was settled outside",
  "chain/treasury": "The other side of deposits and of payouts from the treasury",
  "chain/allowances": "The other side of what clients approved on the chain",
  "chain/x402": "The other side of prepaid chats",
};
