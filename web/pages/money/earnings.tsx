// Earnings: what the account's nodes earned by the day, where it is now, and what was paid.
import { Bars } from "../../parts/bars.tsx";
import type { Markup } from "../../parts/markup.ts";
import {
  Body,
  Card,
  Copy,
  Empty,
  Figure,
  Figures,
  Notice,
  Pager,
  Segments,
  Status,
  Table,
  Th,
} from "../../parts/parts.tsx";
import { PAYOUT_TONE, PAYOUT_WORDS, type PayoutState, troubleOf } from "../../parts/payouts.tsx";
import { Head, Shell, type Viewer } from "../../parts/shell.tsx";
import { dollars, Name, NONE, number, plural, shortKey, When } from "../../parts/text.tsx";

export type NodeLine = {
  pubkey: string;
  name: string;
  /** µ$, after the fee. */
  today: bigint;
  earned: bigint;
  unpaid: bigint;
  inPayout: bigint;
  paid: bigint;
  outside: bigint;
  receipts: number;
  /** Where it is paid. */
  address: { text: string; network: string; setMs: number } | null;
};
export type PayoutLine = {
  id: string;
  node: string;
  nodeName: string | null;
  state: PayoutState;
  amount: bigint;
  receipts: number;
  createdMs: number;
  endedMs: number | null;
  signature: string | null;
  wallet: string;
  memo: string;
  why: string | null;
};
export type EarningsView = {
  viewer: Viewer;
  span: number;
  spans: readonly number[];
  nodes: number;
  today: bigint;
  days: readonly { label: string; value: number }[];
  total: { unpaid: bigint; inPayout: bigint; paid: bigint; outside: bigint | null };
  each: readonly NodeLine[];
  payouts: readonly PayoutLine[];
  newer: string | null;
  older: string | null;
  feeBps: number;
  onChain: boolean;
};

export const Earnings = (view: EarningsView): Markup => (
  <Shell viewer={view.viewer} title="Earnings">
    <Head
      title="Earnings"
      note={`What your nodes earned, after the platform's ${view.feeBps / 100} %. Days are UTC's.`}
    >
      <Segments
        name="Days"
        all={view.spans.map((days) => ({
          href: `/my/earnings?days=${days}`,
          label: `${days} days`,
          here: days === view.span,
        }))}
      />
    </Head>
    {view.nodes === 0 ? (
      <section class="card" aria-label="No nodes">
        <Empty
          icon="node"
          level={2}
          title="No nodes yet"
          act={
            <a class="button act" href="/my/join-tokens">
              Make a join token
            </a>
          }
        >
          A node of yours earns for each answer it gives. Connect one to begin.
        </Empty>
      </section>
    ) : (
      <All {...view} />
    )}
  </Shell>
);

const All = (view: EarningsView): Markup => (
  <>
    <Figures id="figures">
      <Figure label="Today" value={dollars(view.today)} />
      <Figure label="Unpaid" value={dollars(view.total.unpaid)} note="owed, in no payout" />
      {view.onChain && <Figure label="In payouts" value={dollars(view.total.inPayout)} note="not final yet" />}
      {view.onChain && <Figure label="Paid" value={dollars(view.total.paid)} note="on the chain" />}
      <Figure
        label="Settled outside"
        value={view.total.outside === null ? NONE : dollars(view.total.outside)}
        note="as an admin noted"
      />
    </Figures>
    <div class="cols">
      <Card id="by-day" title="Earned by day">
        <Body>
          <Bars
            says={`Dollars earned on each of the last ${view.span} days`}
            bars={view.days}
            format={(value) => dollars(Math.round(value))}
          />
        </Body>
      </Card>
      <div class="stack">
        {view.onChain ? (
          <>
            <NoAddress each={view.each} />
            <WherePaid />
          </>
        ) : (
          <Outside />
        )}
      </div>
    </div>
    <Each {...view} />
    {view.onChain && <Payouts {...view} />}
  </>
);

const Each = ({ each, nodes, span, onChain }: EarningsView): Markup => (
  <Card
    id="each"
    title="By node"
    aside={
      nodes > each.length && <span class="note">{`the ${each.length} that earned most, of ${number(nodes)}`}</span>
    }
  >
    <Table
      name="Earnings by node"
      head={
        <>
          <Th>Node</Th>
          <Th n>Today</Th>
          <Th n>{`${span} days`}</Th>
          <Th n>Unpaid</Th>
          <Th n>{onChain ? "Paid" : "Settled"}</Th>
          <Th>{onChain ? "Paid to" : "Receipts"}</Th>
        </>
      }
    >
      {each.map((node) => (
        <tr>
          <td class="wrap">
            <a href={`/nodes/${node.pubkey}`}>
              {node.name === "" ? <code>{shortKey(node.pubkey)}</code> : <Name of={node.name} />}
            </a>
          </td>
          <td class="n end" data-label="Today">
            {dollars(node.today)}
          </td>
          <td class="n" data-label={`${span} days`}>
            {dollars(node.earned)}
          </td>
          <td class="n end" data-label="Unpaid">
            {dollars(node.unpaid)}
          </td>
          <td class="n" data-label={onChain ? "Paid" : "Settled"}>
            {dollars(node.paid + node.outside)}
          </td>
          <td class="end">
            {onChain ? (
              <Paidto node={node} />
            ) : (
              <a href={`/my/receipts?node=${node.pubkey}`}>{plural(node.receipts, "receipt")}</a>
            )}
          </td>
        </tr>
      ))}
    </Table>
  </Card>
);

const Paidto = ({ node: { address } }: { node: NodeLine }): Markup =>
  address === null ? (
    <>
      <Status tone="warn">No address</Status> <a href="#where">set it</a>
    </>
  ) : (
    <>
      <code>{`${address.text.slice(0, 6)}…${address.text.slice(-4)}`}</code>{" "}
      <Copy text={address.text} label="Copy the address" />
    </>
  );

const Payouts = ({ payouts, newer, older }: EarningsView): Markup => (
  <Card id="payouts" title="Payouts" footer={<Pager list="payouts-card" newer={newer} older={older} />}>
    {payouts.length === 0 ? (
      <Empty icon="coin" title="No payouts yet">
        Where the network pays by itself they come on their own; else a node asks with <code>infernet payout</code>.
      </Empty>
    ) : (
      <Table
        name="Payouts, the newest first"
        head={
          <>
            <Th>Planned</Th>
            <Th>Node</Th>
            <Th>State</Th>
            <Th n>Amount</Th>
            <Th n>Receipts</Th>
            <Th>Transaction</Th>
          </>
        }
      >
        {payouts.map((payout) => (
          <tr>
            <td>
              <When ms={payout.createdMs} />
            </td>
            <td class="wrap end">
              <a href={`/nodes/${payout.node}`}>
                {payout.nodeName ? <Name of={payout.nodeName} /> : <code>{shortKey(payout.node)}</code>}
              </a>
            </td>
            <td>
              <Status tone={PAYOUT_TONE[payout.state]}>{PAYOUT_WORDS[payout.state]}</Status>
              {payout.why !== null && payout.state !== "paid" && (
                <small>
                  {" "}
                  <Name of={troubleOf(payout.why).what} max={200} />
                </small>
              )}
            </td>
            <td class="n end">{dollars(payout.amount)}</td>
            <td class="n" data-label="Receipts">
              {number(payout.receipts)}
            </td>
            <td class="end">
              {payout.signature === null ? (
                NONE
              ) : (
                <>
                  <code>{`${payout.signature.slice(0, 8)}…`}</code>{" "}
                  <Copy text={payout.signature} label={`Copy the transaction of payout ${payout.id.slice(0, 8)}`} />
                </>
              )}
              <Copy text={payout.memo} label={`Copy the memo of payout ${payout.id.slice(0, 8)}`} />
            </td>
          </tr>
        ))}
      </Table>
    )}
  </Card>
);

/** Nodes that have earned something that nobody can pay. */
function NoAddress({ each }: Pick<EarningsView, "each">): Markup {
  const waiting = each.filter(({ address, unpaid }) => address === null && unpaid > 0n);
  if (waiting.length === 0) return <></>;
  const sum = waiting.reduce((total, { unpaid }) => total + unpaid, 0n);
  return (
    <Notice tone="warn" title={`${plural(waiting.length, "node")} cannot be paid`}>
      {`${dollars(sum)} are unpaid, and it is not said where to pay. `}
      <a href="#where">How to say it</a>
    </Notice>
  );
}

const WherePaid = (): Markup => (
  <Card id="where" title="Where nodes are paid">
    <Body>
      <p>
        A node says itself where it is paid, and signs it with its own key, so that nobody with a session here can send
        its earnings elsewhere. On the node's own dashboard, under Payouts (<code>infernet status</code> on its machine
        prints the link), or by command there:
      </p>
      <pre class="code" tabindex={0} role="region" aria-label="Command">
        infernet payout --wallet ADDRESS
      </pre>
      <p class="note">
        It verifies every receipt, has what is owed paid there, and later payouts go to the same address. Each payout's
        memo has its id and the root over its receipts.
      </p>
    </Body>
  </Card>
);

const Outside = (): Markup => (
  <Notice tone="wait" title="Paid outside">
    This network pays nodes in another way than on a chain. What an admin has paid you is noted here as settled.
  </Notice>
);
