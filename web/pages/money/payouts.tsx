// Payouts: an admin's list of payments of nodes on the chain, and one of them with what can be done.
import { Act } from "../../parts/act.tsx";
import { ActForm } from "../../parts/act-form.tsx";
import { type Fault, Field, FormFault } from "../../parts/field.tsx";
import type { Markup } from "../../parts/markup.ts";
import { MoneyNav } from "../../parts/money-nav.tsx";
import {
  Body,
  Card,
  Copy,
  Empty,
  Fact,
  Facts,
  Filters,
  Notice,
  Pager,
  Select,
  Status,
  Table,
  Th,
} from "../../parts/parts.tsx";
import { PAYOUT_TONE, PAYOUT_WORDS, troubleOf } from "../../parts/payouts.tsx";
import { Head, Shell, type Viewer } from "../../parts/shell.tsx";
import { dollars, Name, NONE, number, plainName, shortKey, When } from "../../parts/text.tsx";
import type { PayoutLine } from "./earnings.tsx";

const STATES = [
  ["", "All"],
  ["stuck", "Stuck"],
  ["planned", "Planned"],
  ["due", "Due"],
  ["paid", "Paid"],
  ["written_off", "Written off"],
] as const;

type PayoutsView = {
  viewer: Viewer;
  state: string;
  rows: readonly PayoutLine[];
  newer: string | null;
  older: string | null;
};

export const Payouts = (view: PayoutsView): Markup => (
  <Shell viewer={view.viewer} title="Payouts">
    <Head title="Payouts" crumb={{ href: "/admin/money", label: "Money" }}>
      <MoneyNav here="/admin/money/payouts" onChain />
    </Head>
    <Filters list="payouts-card" action="/admin/money/payouts">
      <Select name="state" label="State" value={view.state} options={STATES} />
    </Filters>
    <Card
      id="payouts"
      title="Payouts"
      aside={
        <Act to="/admin/money/payouts/reclaim" csrf={view.viewer.human?.csrf ?? ""}>
          Take rent back
        </Act>
      }
      footer={<Pager list="payouts-card" newer={view.newer} older={view.older} />}
    >
      {view.rows.length === 0 ? (
        <Empty icon="coin" title={view.state === "" ? "No payouts yet" : "None in this state"}>
          Nodes ask with <code>infernet payout</code>, or the network pays by itself where <code>interval_h</code> says
          so.
        </Empty>
      ) : (
        <Rows rows={view.rows} />
      )}
    </Card>
  </Shell>
);

const nodeLabel = ({ node, nodeName }: PayoutLine): Markup =>
  nodeName ? <Name of={nodeName} /> : <code>{shortKey(node)}</code>;

const Rows = ({ rows }: { rows: readonly PayoutLine[] }): Markup => (
  <Table
    name="Payouts, the newest first"
    head={
      <>
        <Th>Payout</Th>
        <Th>Node</Th>
        <Th>State</Th>
        <Th n>Amount</Th>
        <Th n>Receipts</Th>
        <Th>Planned</Th>
      </>
    }
  >
    {rows.map((payout) => (
      <tr>
        <td>
          <a href={`/admin/money/payouts/${payout.id}`}>
            <code>{payout.id.slice(0, 8)}</code>
          </a>
        </td>
        <td class="wrap end">
          <a href={`/nodes/${payout.node}`}>{nodeLabel(payout)}</a>
        </td>
        <td class="whole wrap">
          <Status tone={PAYOUT_TONE[payout.state]}>{PAYOUT_WORDS[payout.state]}</Status>
          {payout.why !== null && payout.state !== "paid" && (
            <small>
              {" "}
              <Name of={troubleOf(payout.why).what} max={200} />
            </small>
          )}
        </td>
        <td class="n">{dollars(payout.amount)}</td>
        <td class="n end" data-label="Receipts">
          {number(payout.receipts)}
        </td>
        <td>
          <When ms={payout.createdMs} />
        </td>
      </tr>
    ))}
  </Table>
);

type PayoutView = {
  viewer: Viewer;
  payout: PayoutLine;
  root: string;
  legs: readonly { source: string; amount: bigint; fee: bigint }[];
  attempts: readonly { signature: string; state: string; error: string | null; createdMs: number }[];
  form: { typed: string; fault: Fault | null };
};

export const PayoutPage = (view: PayoutView): Markup => {
  const { payout } = view;
  return (
    <Shell viewer={view.viewer} title={`Payout ${payout.id.slice(0, 8)}`}>
      <Head
        title={`Payout ${payout.id.slice(0, 8)}`}
        crumb={{ href: "/admin/money/payouts", label: "Payouts" }}
        note={`${dollars(payout.amount)} for ${number(payout.receipts)} receipts`}
      >
        <Status tone={PAYOUT_TONE[payout.state]}>{PAYOUT_WORDS[payout.state]}</Status>
      </Head>
      {payout.why !== null && payout.state !== "paid" && <Why payout={payout} />}
      <div class="cols">
        <div class="stack">
          <About {...view} />
          <Legs {...view} />
          <Attempts {...view} />
        </div>
        <div class="stack">{payout.state === "stuck" && <Stuck {...view} />}</div>
      </div>
    </Shell>
  );
};

const Why = ({ payout: { why, state } }: { payout: PayoutLine }): Markup => {
  const { what, mend } = troubleOf(why ?? "");
  const isOver = state === "written_off";
  return (
    <Notice tone={isOver ? "off" : "warn"} title={isOver ? "Written off" : state === "stuck" ? "Stuck" : "Trouble"}>
      <Name of={what} max={512} />
      {!isOver && ` ${mend}`}
    </Notice>
  );
};

const Copied = ({ text, label }: { text: string; label: string }): Markup => (
  <>
    <code>{text}</code> <Copy text={text} label={label} />
  </>
);

const About = ({ payout, root }: PayoutView): Markup => (
  <Card id="about" title="What it is">
    <Body>
      <Facts>
        <Fact name="Node">
          <a href={`/nodes/${payout.node}`}>{nodeLabel(payout)}</a>
        </Fact>
        <Fact name="Amount">{dollars(payout.amount)}</Fact>
        <Fact name="Paid to">
          <Copied text={payout.wallet} label="Copy the wallet" />
        </Fact>
        <Fact name="Planned">
          <When ms={payout.createdMs} />
        </Fact>
        <Fact name="Ended">{payout.endedMs === null ? NONE : <When ms={payout.endedMs} />}</Fact>
        <Fact name="Transaction">
          {payout.signature === null ? (
            NONE
          ) : (
            <Copied text={payout.signature} label="Copy the transaction's signature" />
          )}
        </Fact>
        <Fact name="Memo">
          <Copied text={payout.memo} label="Copy the memo" />
        </Fact>
        <Fact name="Root">
          <Copied text={root} label="Copy the root" />
        </Fact>
      </Facts>
    </Body>
  </Card>
);

const Legs = ({ legs }: PayoutView): Markup => (
  <Card id="legs" title="Who pays it">
    <Table
      name="What each source pays"
      head={
        <>
          <Th>Source</Th>
          <Th n>To the node</Th>
          <Th n>Fee</Th>
        </>
      }
    >
      {legs.map(({ source, amount, fee }) => (
        <tr>
          <td class="wrap">{source === "treasury" ? "The treasury" : <code>{source}</code>}</td>
          <td class="n end">{dollars(amount)}</td>
          <td class="n" data-label="Fee">
            {dollars(fee)}
          </td>
        </tr>
      ))}
    </Table>
  </Card>
);

const Attempts = ({ attempts }: PayoutView): Markup => (
  <Card id="attempts" title="Transactions that were signed">
    {attempts.length === 0 ? (
      <Empty icon="log" title="None yet">
        A transaction stands here before it is sent.
      </Empty>
    ) : (
      <ul class="list">
        {attempts.map(({ signature, state, error, createdMs }) => (
          <li>
            <div>
              <Status tone={state === "paid" ? "ok" : state === "live" ? "live" : "off"}>{state}</Status>{" "}
              <code class="wrap">{signature}</code>
              <p class="note">
                <When ms={createdMs} />
                {error !== null && ` · ${plainName(error, 200)}`}
              </p>
            </div>
          </li>
        ))}
      </ul>
    )}
  </Card>
);

const Stuck = ({ viewer, payout, form }: PayoutView): Markup => (
  <>
    <Card id="retry" title="Try it again">
      <Body>
        <p class="note">It is looked at each minute by itself. This does it now.</p>
        <Act to={`/admin/money/payouts/${payout.id}/retry`} csrf={viewer.human?.csrf ?? ""} look="act">
          Try again
        </Act>
      </Body>
    </Card>
    <Card id="write-off" title="Write it off">
      <Body>
        <p class="note">The node is not paid for these receipts, ever. Nothing is put in their place.</p>
        <ActForm
          action={`/admin/money/payouts/${payout.id}/write-off`}
          csrf={viewer.human?.csrf ?? ""}
          fields
          label="Write off"
        >
          <FormFault fault={form.fault} title="Not written off" fields={["reason", "confirm"]} />
          <Field name="reason" label="Reason" value={form.typed} fault={form.fault} max={512} />
          <Field name="confirm" label={`Type ${payout.id.slice(0, 8)} to confirm`} fault={form.fault} max={8} />
          <button type="submit" class="danger">
            Write off
          </button>
        </ActForm>
      </Body>
    </Card>
  </>
);
