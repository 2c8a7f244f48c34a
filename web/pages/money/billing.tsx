// Billing: what the account has, where it comes from, and what became of it.
import type { Funding } from "../../../src/ledger/schema.ts";
import { Bars } from "../../parts/bars.tsx";
import type { Fault } from "../../parts/field.tsx";
import type { Markup } from "../../parts/markup.ts";
import { DayFields, Movements, type MovementView } from "../../parts/movements.tsx";
import {
  Body,
  Card,
  Copy,
  Empty,
  Fact,
  Facts,
  Figure,
  Figures,
  Filters,
  Notice,
  Pager,
  Status,
} from "../../parts/parts.tsx";
import { Head, LiveState, Shell, type Viewer } from "../../parts/shell.tsx";
import { dollars, Name, When } from "../../parts/text.tsx";
import { DepositForm } from "./deposit.tsx";

export type BalanceFigures = {
  /** µ$. */
  balance: bigint;
  held: bigint;
  available: bigint;
  /** In the last 30 days. */
  spent: bigint;
};
export type DepositLine = { reference: string; amount: bigint | null; createdMs: number; expired: boolean };
export type AllowanceLine = { tokenAccount: string; spendable: bigint; words: string | null };
export type BillingView = {
  viewer: Viewer;
  account: { id: string; name: string };
  figures: BalanceFigures;
  /** How long it lasts at the last week's pace, in words; null: long enough. */
  low: string | null;
  funding: Funding | null;
  mode: "credits" | "solana";
  /** What is offered here. */
  offers: { deposits: boolean; allowances: boolean };
  deposits: readonly DepositLine[];
  allowance: AllowanceLine | null;
  mayChange: boolean;
  isAdmin: boolean;
  /** A day each, today last. */
  days: readonly { label: string; value: number }[];
  movements: { rows: readonly MovementView[]; newer: string | null; older: string | null };
  period: { from: string; to: string; why: string | null };
  /** Of the form for a deposit. */
  typed?: string | undefined;
  fault?: Fault | null;
};

export const Billing = (view: BillingView): Markup => (
  <Shell viewer={view.viewer} title="Billing" live="/live/billing">
    <Head
      title="Billing"
      note={
        <>
          <Name of={view.account.name} />. Amounts are exact, in US dollars.
        </>
      }
    >
      <LiveState />
      <AddMoney {...view} />
    </Head>
    {view.low !== null && (
      <Notice tone="warn" title={view.figures.available <= 0n ? "Nothing left to spend" : "Running low"}>
        {view.low}
      </Notice>
    )}
    <BillingFigures figures={view.figures} />
    <div class="cols">
      <div class="stack">
        <Spend days={view.days} />
        <Statement {...view} />
      </div>
      <div class="stack">
        <FundedBy {...view} />
      </div>
    </div>
  </Shell>
);

export const BillingFigures = ({
  figures: { balance, held, available, spent },
}: {
  figures: BalanceFigures;
}): Markup => (
  <Figures id="figures">
    <Figure label="Balance" value={dollars(balance)} />
    <Figure label="Held" value={dollars(held)} note="for jobs under way" />
    <Figure label="Available" value={dollars(available)} />
    <Figure label="Spent" value={dollars(spent)} note="in 30 days" />
  </Figures>
);

const Spend = ({ days }: { days: BillingView["days"] }): Markup => (
  <Card
    id="spend"
    title="Spend by day"
    aside={
      <a class="button" href="/usage">
        By model and key
      </a>
    }
  >
    {days.some(({ value }) => value > 0) ? (
      <Body>
        <Bars
          says="Dollars spent on each of the last 30 days"
          bars={days}
          format={(value) => dollars(Math.round(value))}
        />
      </Body>
    ) : (
      <Empty icon="coin" title="Nothing spent in 30 days">
        What requests cost shows here, by the day they were made.
      </Empty>
    )}
  </Card>
);

const Statement = ({ movements, period }: BillingView): Markup => {
  const query = new URLSearchParams({ from: period.from || "1970-01-01", ...(period.to ? { to: period.to } : {}) });
  return (
    <>
      <Filters list="statement-card" action="/billing">
        <DayFields {...period} />
      </Filters>
      <Card
        id="statement"
        title="Statement"
        aside={
          <span class="row">
            <a class="button" href={`/billing/statement?${query}&format=csv`} download="statement.csv">
              CSV
            </a>
            <a class="button" href={`/billing/statement?${query}&format=json`} download="statement.json">
              JSON
            </a>
          </span>
        }
        footer={<Pager list="statement-card" newer={movements.newer} older={movements.older} />}
      >
        <Movements rows={movements.rows} where={{ jobs: "/jobs/", payouts: null }} />
      </Card>
    </>
  );
};

const SOURCES: Readonly<Record<Funding, string>> = {
  credits: "Credits",
  deposit: "Deposits",
  allowance: "An allowance",
  prepaid: "Prepaid",
};

/** One source at a time: only those that the account may still take are offered. */
function offered({ funding, offers, figures }: BillingView): {
  allowance: boolean;
  deposit: boolean;
  credits: boolean;
} {
  const open = (source: Funding) => funding === null || funding === source || figures.balance === 0n;
  return {
    allowance: offers.allowances && open("allowance"),
    deposit: offers.deposits && open("deposit") && funding !== "allowance",
    credits: funding !== "allowance" && funding !== "deposit",
  };
}

/** To where it is done, which is far below on a phone. */
function AddMoney(view: BillingView): Markup | null {
  const { deposit, credits } = offered(view);
  if (!view.mayChange || (!deposit && !credits)) return null;
  return (
    <a class="button act" href={deposit ? "#deposits" : "#credits"}>
      Add money
    </a>
  );
}

const FundedBy = (view: BillingView): Markup => {
  const { funding, mode } = view;
  const { allowance, deposit, credits } = offered(view);
  return (
    <>
      <Card id="source" title="Where the money comes from">
        <Body>
          <p>
            <Status tone={funding === null ? "off" : "ok"}>
              {funding === null ? "Nothing yet" : SOURCES[funding]}
            </Status>
          </p>
          <p class="note">
            An account has one source:{" "}
            {mode === "credits"
              ? "credit that an admin grants."
              : "credits, deposits or an allowance. Another one may follow once nothing is left."}
          </p>
        </Body>
      </Card>
      {allowance && <Allowance {...view} />}
      {deposit && <Deposits {...view} />}
      {credits && <Credits {...view} />}
    </>
  );
};

const Credits = ({ account, isAdmin }: BillingView): Markup => (
  <Card id="credits" title="Credits">
    <Body>
      {isAdmin ? (
        <a class="button" href={`/admin/money/account?id=${encodeURIComponent(`account/${account.id}`)}`}>
          Grant credit
        </a>
      ) : (
        <>
          <p>An admin of this network grants credit. Ask for it, and name this account:</p>
          <p class="row spread">
            <code class="wrap">{account.id}</code>
            <Copy text={account.id} label="Copy the account's id" />
          </p>
        </>
      )}
    </Body>
  </Card>
);

const Deposits = ({ viewer, deposits, mayChange, typed, fault }: BillingView): Markup => (
  <Card id="deposits" title="Deposit">
    <Body>
      <p class="note">
        The operator holds what is paid in and nothing is paid back: the money is for requests. It is credited once
        final.
      </p>
      {mayChange ? (
        <DepositForm csrf={viewer.human?.csrf ?? ""} typed={typed} fault={fault} />
      ) : (
        <p class="note">An owner of the account pays in.</p>
      )}
    </Body>
    {deposits.length > 0 && (
      <ul class="list">
        {deposits.map(({ reference, amount, createdMs, expired }) => (
          <li>
            <div>
              <a href={`/billing/deposits/${encodeURIComponent(reference)}`}>
                {amount === null ? "Any amount" : dollars(amount)}
              </a>
              <p class="note">
                <When ms={createdMs} />
                {expired && " · expired"}
              </p>
            </div>
          </li>
        ))}
      </ul>
    )}
  </Card>
);

const Allowance = ({ allowance }: BillingView): Markup => (
  <Card id="allowance" title="Allowance">
    <Body>
      {allowance === null ? (
        <p class="note">
          The money stays in a token account of yours. Requests may spend from it up to a cap that you approve, and
          revoke at any time.
        </p>
      ) : (
        <Facts>
          <Fact name="Left to spend">{dollars(allowance.spendable)}</Fact>
          <Fact name="Token account">
            <code>{`${allowance.tokenAccount.slice(0, 6)}…${allowance.tokenAccount.slice(-4)}`}</code>
          </Fact>
        </Facts>
      )}
      {allowance?.words && <Status tone="warn">{allowance.words}</Status>}
      <a class="button" href="/billing/allowance">
        {allowance === null ? "How to approve one" : "Show allowance"}
      </a>
    </Body>
  </Card>
);
