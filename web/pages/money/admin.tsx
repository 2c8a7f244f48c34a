// Admin money: what came in and went out, what waits for a person, and the network's own accounts.
import type { TransactionKind } from "../../../src/ledger/schema.ts";
import { Bars } from "../../parts/bars.tsx";
import type { Markup } from "../../parts/markup.ts";
import { MoneyNav, SYSTEM_WORDS } from "../../parts/money-nav.tsx";
import { Body, Card, Empty, Figure, Figures, Notice, Status, Table, Th } from "../../parts/parts.tsx";
import { Head, Shell, type Viewer } from "../../parts/shell.tsx";
import { Ago, dollars, plural } from "../../parts/text.tsx";

type Day = { label: string; value: number };
export type AdminMoneyView = {
  viewer: Viewer;
  onChain: boolean;
  days: number;
  /** µ$ of this UTC day. */
  today: { gross: bigint; nodes: bigint; fee: bigint };
  into: readonly Day[];
  out: readonly Day[];
  sums: { into: bigint; out: bigint };
  /** The same by what it was. */
  kinds: readonly { kind: TransactionKind; outside: boolean; into: bigint; out: bigint }[];
  accounts: readonly { account: string; balance: bigint }[];
  stuck: { count: number; amount: bigint };
  /** The last look at the books. */
  check: { ended_ms: number; clean: boolean } | null;
  nowMs: number;
};

export const AdminMoney = (view: AdminMoneyView): Markup => (
  <Shell viewer={view.viewer} title="Money">
    <Head title="Money">
      <MoneyNav here="/admin/money" onChain={view.onChain} />
    </Head>
    {view.stuck.count > 0 && (
      <Notice tone="warn" title={`${plural(view.stuck.count, "payout")} stuck`}>
        {`${dollars(view.stuck.amount)} wait for whoever pays them. `}
        <a href="/admin/money/payouts?state=stuck">See why</a>
      </Notice>
    )}
    {view.check !== null && !view.check.clean && (
      <Notice tone="bad" title="The books are wrong">
        <a href="/admin/money/check">See what the last check found</a>
      </Notice>
    )}
    <Figures id="figures">
      <Figure label="Charged today" value={dollars(view.today.gross)} />
      <Figure label="To nodes today" value={dollars(view.today.nodes)} />
      <Figure label="Fees today" value={dollars(view.today.fee)} />
      <Figure label={`Into the books, ${view.days} days`} value={dollars(view.sums.into)} />
      <Figure label={`Out of them, ${view.days} days`} value={dollars(view.sums.out)} />
    </Figures>
    <div class="cols">
      <div class="stack">
        <Flow id="into" title="Money in by day" says="came into the books" days={view.into} />
        <Flow id="out" title="Money out by day" says="left the books" days={view.out} />
      </div>
      <div class="stack">
        <Kinds {...view} />
      </div>
    </div>
    <Card id="system" title="The network's own accounts" aside={<Checked {...view} />}>
      <Table
        name="Balances of the network's own accounts"
        head={
          <>
            <Th>Account</Th>
            <Th>What it is</Th>
            <Th n>Balance</Th>
          </>
        }
      >
        {view.accounts.map(({ account, balance }) => (
          <tr>
            <td>
              <a href={`/admin/money/account?id=${encodeURIComponent(account)}`}>{account}</a>
            </td>
            <td class="whole wrap">{SYSTEM_WORDS[account] ?? ""}</td>
            <td class="n whole end">{dollars(balance)}</td>
          </tr>
        ))}
      </Table>
    </Card>
  </Shell>
);

const KIND_WORDS: Readonly<Record<TransactionKind, string>> = {
  grant: "Credit granted",
  adjustment: "Corrections",
  deposit: "Deposits",
  allowance: "Allowances",
  settlement: "Jobs",
  payout: "Paid out",
  prepaid: "Prepaid chats",
  slash: "Slashed",
};

const Kinds = ({ kinds, days }: AdminMoneyView): Markup => (
  <Card id="kinds" title={`By kind, ${days} days`}>
    {kinds.length === 0 ? (
      <Empty icon="coin" title="Nothing moved">
        What comes in and goes out is told apart here.
      </Empty>
    ) : (
      <Body>
        {kinds.map(({ kind, outside, into, out }) => (
          <div>
            <b>{outside ? "Settled outside" : KIND_WORDS[kind]}</b>
            <p class="pair">
              {into > 0n && <span>{`+${dollars(into)}`}</span>}
              {out > 0n && <span>{dollars(-out)}</span>}
            </p>
          </div>
        ))}
      </Body>
    )}
  </Card>
);

const Checked = ({ check, nowMs }: AdminMoneyView): Markup => (
  <a href="/admin/money/check">
    {check === null ? (
      "Check the ledger"
    ) : (
      <Status tone={check.clean ? "ok" : "bad"}>
        {check.clean ? "Checked " : "Wrong, checked "}
        <Ago ms={check.ended_ms} nowMs={nowMs} />
      </Status>
    )}
  </a>
);

const Flow = ({ id, title, says, days }: { id: string; title: string; says: string; days: readonly Day[] }): Markup => (
  <Card id={id} title={title}>
    {days.some(({ value }) => value > 0) ? (
      <Body>
        <Bars
          says={`Dollars that ${says}, each of ${days.length} days`}
          bars={days}
          format={(value) => dollars(Math.round(value))}
        />
      </Body>
    ) : (
      <Empty icon="coin" title={`Nothing ${says} in ${days.length} days`}>
        {id === "into"
          ? "Credit that is granted, deposits and approvals show here."
          : "Payouts and what is taken back show here."}
      </Empty>
    )}
  </Card>
);
