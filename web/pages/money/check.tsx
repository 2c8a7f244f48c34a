// Ledger check: what is proved of the books, and what the last look found.
import type { LedgerCheckView } from "../../../src/admin/money-operations.ts";
import { Act } from "../../parts/act.tsx";
import { Icon } from "../../parts/icon.tsx";
import type { Markup } from "../../parts/markup.ts";
import { MoneyNav } from "../../parts/money-nav.tsx";
import { Body, Card, Empty, Notice, Status } from "../../parts/parts.tsx";
import { Head, LiveState, Shell, type Viewer } from "../../parts/shell.tsx";
import { Ago, duration, number, plainName, plural } from "../../parts/text.tsx";

export type CheckStateView = LedgerCheckView & { nowMs: number };

/** What each check proves, by its name. */
export const PROVES: Readonly<Record<string, string>> = {
  "the database guards the rows of the books": "Nobody took away what keeps rows from being changed or deleted.",
  "each transaction's entries sum to zero": "No movement made or lost money: what one account lost others gained.",
  "each entry belongs to a transaction and an account": "Nothing hangs in the air.",
  "each balance is the sum of its entries": "What an account has is what its history says.",
  "all balances together are zero": "The books as a whole balance.",
  "no client or node is below zero, or below what is held": "Nobody spent what they did not have.",
  "what is held of an account is the sum of its holds": "Nothing is held twice, or for nobody.",
  "each receipt holds, follows the one before, and says what was moved":
    "Signatures are good, no receipt was left out or changed, and each moved the money it names.",
  "each settlement has its receipt": "No client paid without a receipt for it.",
  "each chain of receipts ends where its head says": "No receipt was cut off at the end.",
  "each node's word for its receipts is its own": "Countersignatures are the nodes' own.",
  "each payout pays what its receipts say": "Sums, split and count of each payout are those of its receipts.",
  "each receipt that has a payout has one that is there": "No receipt is marked as paid by nothing.",
  "what open payouts pay is held of their nodes": "What is about to be paid cannot be taken meanwhile.",
  "each paid payout moved its money once, and no other did": "Nobody was paid twice.",
  "what was settled outside left the books": "What admins paid outside is not owed any more.",
  "each hold is of a job under way": "No money is held for jobs that have ended.",
  "each job was charged what its receipts say": "The price of a job is that of its receipts.",
  "each budget counts what is held and what was spent": "Limits of keys count what they should.",
  "the audit log holds, row after row": "Who did what was not changed afterwards.",
};

export const LedgerCheckPage = ({
  viewer,
  onChain,
  state,
}: {
  viewer: Viewer;
  onChain: boolean;
  state: CheckStateView;
}): Markup => (
  <Shell viewer={viewer} title="Ledger check" live="/live/ledger-check">
    <Head
      title="Ledger check"
      crumb={{ href: "/admin/money", label: "Money" }}
      note="Looks at everything as it was at one moment, while requests go on."
    >
      <LiveState />
      <MoneyNav here="/admin/money/check" onChain={onChain} />
    </Head>
    <div class="row">
      <Act to="/admin/money/check" csrf={viewer.human?.csrf ?? ""} look="act">
        Check the ledger
      </Act>
      <span class="note">
        The same as <code>infernet doctor --ledger</code>. It does not ask the chain.
      </span>
    </div>
    <div id="check-state" class="stack">
      <CheckState state={state} />
    </div>
  </Shell>
);

export const CheckState = ({ state: { running, last, failed, nowMs } }: { state: CheckStateView }): Markup => (
  <>
    {running !== null && (
      <Card
        id="running"
        title="Under way"
        aside={<Status tone="live">{`${running.done} of ${running.of || "…"}`}</Status>}
      >
        <Body>
          <progress value={running.done} max={running.of || 1} aria-label="Checks done" />
        </Body>
      </Card>
    )}
    {failed !== null && (
      <Notice tone="bad" title="The books could not be looked at">
        {plainName(failed, 400)}
      </Notice>
    )}
    {last === null && running === null && failed === null && (
      <section class="card" aria-label="Not checked yet">
        <Empty icon="coin" level={2} title="Not checked since this coordinator started">
          Twenty checks prove that no money was made or lost, and that receipts, payouts and the audit log hold.
        </Empty>
      </section>
    )}
    {last !== null && <Found last={last} nowMs={nowMs} />}
  </>
);

const Found = ({ last, nowMs }: { last: NonNullable<LedgerCheckView["last"]>; nowMs: number }): Markup => (
  <Card
    id="found"
    title={last.clean ? "The books are right" : "The books are wrong"}
    aside={
      <span class="note">
        as of <Ago ms={last.started_ms} nowMs={nowMs} />, in {duration(last.ended_ms - last.started_ms)}
      </span>
    }
    footer={
      last.clean ? undefined : (
        <span>Stop the instance, keep a copy of the database, and compare it with the last good backup.</span>
      )
    }
  >
    <ul class="list">
      {last.checks.map(({ name, looked, faults, more }) => (
        <li class={faults.length === 0 ? "ok" : "bad"}>
          <Icon name={faults.length === 0 ? "ok" : "bad"} />
          <div>
            <b>{`${name.charAt(0).toUpperCase()}${name.slice(1)}`}</b>
            <p class="note">
              {faults.length === 0 ? "Holds. " : "Does not hold. "}
              {PROVES[name]} {`${plural(looked, "row")} looked at.`}
            </p>
            {faults.map(({ row, message }) => (
              <p class="wrap">{plainName(`${row}: ${message}`, 400)}</p>
            ))}
            {more > 0 && <p>{`And ${number(more)} more.`}</p>}
          </div>
        </li>
      ))}
    </ul>
  </Card>
);
