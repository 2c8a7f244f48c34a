// Payouts: where a node is paid, asking for what is unpaid, and what came of it.
import type { CoordinatorPayouts, PayoutRun, PayoutsView } from "../../../src/dashboard/node/payouts-view.ts";
import { Act } from "../../parts/act.tsx";
import { ActForm } from "../../parts/act-form.tsx";
import { Field, FormFault } from "../../parts/field.tsx";
import type { Markup } from "../../parts/markup.ts";
import {
  Body,
  Card,
  Copy,
  Empty,
  Fact,
  Facts,
  Figure,
  Figures,
  Notice,
  Status,
  Table,
  Th,
} from "../../parts/parts.tsx";
import { PAYOUT_TONE, PAYOUT_WORDS, troubleOf } from "../../parts/payouts.tsx";
import { Document, Head, LiveState, PlainTop } from "../../parts/shell.tsx";
import { Ago, dollars, Name, NONE, number, plainName, plural, When } from "../../parts/text.tsx";

export function OwnPayoutsPage(view: PayoutsView): Markup {
  const parts = payoutParts(view);
  const paysHere = view.told.some(({ earnings }) => earnings?.on_chain);
  const hasAddress = onChain(view.told).some(({ wallet }) => wallet !== null);
  return (
    <Document title="Payouts" csrf={view.csrf} bar={<PlainTop />} live="/live/payouts">
      <Head title="Payouts" crumb={{ href: "/", label: plainName(view.name) }}>
        <LiveState />
      </Head>
      {view.form.asks !== null ? (
        <Confirm {...view} address={view.form.asks} />
      ) : (
        <>
          {parts.figures}
          <div class="cols">
            <div class="stack">
              <Card
                id="ask"
                title="Be paid"
                aside={
                  hasAddress && (
                    <Act to="/payouts/ask" csrf={view.csrf} look="act" id="ask-act">
                      Ask for a payout
                    </Act>
                  )
                }
              >
                {parts.run}
              </Card>
              {parts.history}
            </div>
            <div class="stack">
              {parts.places}
              {paysHere && <Change {...view} />}
            </div>
          </div>
        </>
      )}
    </Document>
  );
}

/** What changes while the page is open, by the id of its element. */
export const payoutParts = (view: PayoutsView) => ({
  figures: <Sums {...view} />,
  run: <Run {...view} />,
  history: <History {...view} />,
  places: <Places {...view} />,
});

const onChain = (told: readonly CoordinatorPayouts[]) =>
  told.flatMap(({ earnings }) => (earnings?.on_chain ? [earnings] : []));

function Sums({ told }: PayoutsView): Markup {
  const sum = (of: "unpaid" | "in_payout" | "stuck" | "paid") =>
    onChain(told).reduce((total, { total: each }) => total + BigInt(each[of]), 0n);
  return (
    <Figures id="figures">
      <Figure label="Unpaid" value={dollars(sum("unpaid"))} note="owed, in no payout" />
      <Figure
        label="In payouts"
        value={dollars(sum("in_payout"))}
        note={sum("stuck") > 0n ? `${dollars(sum("stuck"))} wait for who pays` : "not final yet"}
      />
      <Figure label="Paid" value={dollars(sum("paid"))} note="on the chain" />
    </Figures>
  );
}

/** In groups of four, to be compared by eye. */
export const Grouped = ({ address }: { address: string }): Markup => (
  <code class="wrap">{(plainName(address, 128).match(/.{1,4}/g) ?? []).join(" ")}</code>
);

const Places = ({ told, wallet }: PayoutsView): Markup => (
  <section class="card" id="places" aria-labelledby="places-h">
    <header>
      <h2 id="places-h">Where it is paid</h2>
    </header>
    <Body>
      {told.map(({ coordinator, earnings }) => (
        <Facts>
          <Fact name="At">
            <Name of={coordinator} max={80} />
          </Fact>
          <Fact name="Paid to">
            {earnings === null ? (
              <Status tone="warn">It does not answer now</Status>
            ) : !earnings.on_chain ? (
              "nothing on a chain: its admin pays in another way"
            ) : earnings.wallet === null ? (
              <Status tone="warn">No address: nothing can be paid</Status>
            ) : (
              <>
                <Grouped address={earnings.wallet} />{" "}
                <Copy text={plainName(earnings.wallet, 128)} label="Copy the address" />
              </>
            )}
          </Fact>
          {earnings?.on_chain && (
            <Fact name="In">{`${plainName(earnings.coin, 16)} on ${plainName(earnings.network, 32)}${earnings.minimum > 0 ? `, from ${dollars(earnings.minimum)} on` : ""}`}</Fact>
          )}
        </Facts>
      ))}
      {wallet === null && onChain(told).some((one) => one.wallet !== null) && (
        <Notice tone="warn" title="Not set on this machine">
          Only the coordinator says so. Nothing is agreed to until the address is set here, too.
        </Notice>
      )}
      {onChain(told).some((one) => wallet !== null && one.wallet !== wallet) && (
        <Notice tone="bad" title="Not the address that was set here">
          {`On this machine ${wallet ?? NONE} was set. Nothing is agreed to until the two are the same: set the right one again.`}
        </Notice>
      )}
    </Body>
  </section>
);

const Change = ({ form, csrf, told }: PayoutsView): Markup => (
  <Card
    id="change"
    title={onChain(told).some(({ wallet }) => wallet === null) ? "Set the address" : "Change the address"}
  >
    <Body>
      <FormFault fault={form.fault} title="Not set" fields={["address"]} />
      <ActForm action="/payouts/address" csrf={csrf} fields label="Address">
        <Field
          name="address"
          label="Your wallet's address"
          value={form.typed}
          fault={form.fault}
          max={64}
          hint="Of a Solana wallet that you have the key of. Its private key is never asked for."
        />
        {(form.vault || form.fault?.field === "address") && (
          <label class="check">
            <input type="checkbox" name="vault" value="on" checked={form.vault} />
            It is a program's vault, and can be paid
          </label>
        )}
        <button type="submit" class={onChain(told).some(({ wallet }) => wallet !== null) ? undefined : "act"}>
          Look at it
        </button>
      </ActForm>
    </Body>
  </Card>
);

const TYPED = 6;

const Confirm = ({ form, csrf, told, address }: PayoutsView & { address: string }): Markup => {
  const before = [...new Set(onChain(told).flatMap(({ wallet }) => (wallet === null ? [] : [wallet])))];
  return (
    <Card id="confirm" title="Pay to this address?">
      <Body>
        <Facts>
          <Fact name="New">
            <Grouped address={address} />
          </Fact>
          <Fact name="Short">
            <code>{`${address.slice(0, 6)}…${address.slice(-TYPED)}`}</code>
          </Fact>
          <Fact name="Until now">{before.length === 0 ? "none" : before.map((one) => <Grouped address={one} />)}</Fact>
        </Facts>
        {form.vault && (
          <Notice tone="warn" title="It has no private key">
            Only the program that it belongs to can move what is paid there.
          </Notice>
        )}
        <p>
          What is paid there cannot be taken back. Look at the address in your wallet itself, not at what you copied,
          and type how it ends.
        </p>
        <ActForm action="/payouts/address" csrf={csrf} fields label="Confirm the address">
          <FormFault fault={form.fault} title="Not set" fields={["end"]} />
          <input type="hidden" name="address" value={address} />
          {form.vault && <input type="hidden" name="vault" value="on" />}
          <Field name="end" label={`Its last ${TYPED} characters`} fault={form.fault} max={TYPED} first />
          <div class="row">
            <button type="submit" class="act">
              Pay to this address
            </button>
            <a class="button" href="/payouts">
              Cancel
            </a>
          </div>
        </ActForm>
      </Body>
    </Card>
  );
};

function Run({ run, nowMs }: PayoutsView): Markup {
  if (run === null) {
    return (
      <div class="body stack" id="run">
        <p class="note">
          It looks at every receipt, signs that they are right, and has what is unpaid sent.{" "}
          <code>infernet payout</code> does the same; with <code>--rpc-url</code> it looks at the transaction on the
          chain itself, too.
        </p>
      </div>
    );
  }
  return (
    <div class="body stack" id="run">
      <Status tone={run.endedMs === null ? "live" : run.outcomes.some((one) => "failed" in one) ? "bad" : "ok"}>
        {run.endedMs === null ? "Under way, asked for " : "Asked for "}
        <Ago ms={run.startedMs} nowMs={nowMs} />
      </Status>
      <ul class="list">
        {run.steps.map((step) => (
          <li>
            <p class="wrap">{stepText(step)}</p>
          </li>
        ))}
        {run.outcomes.flatMap(outcomeLines).map(([tone, text]) => (
          <li>
            <Status tone={tone}>
              <Name of={text} max={600} />
            </Status>
          </li>
        ))}
      </ul>
    </div>
  );
}

function stepText(step: PayoutRun["steps"][number]): Markup {
  if (step.step === "following") return <>Sent to be paid. Until it is final takes about half a minute.</>;
  const { id, receipts, node_amount: amount, signature, trouble } = step.payout;
  const what =
    step.step === "agreed"
      ? `${plural(receipts, "receipt")} ${receipts === 1 ? "holds" : "hold"} together, ${dollars(amount)} agreed to`
      : step.step === "verified"
        ? "the chain says so, too"
        : signature === null
          ? troubleOf(trouble ?? "to be sent").what
          : `sent as ${signature}`;
  return (
    <>
      {`Payout ${id.slice(0, 8)}: `}
      <Name of={what} max={200} />
    </>
  );
}

function outcomeLines(outcome: PayoutRun["outcomes"][number]): ["ok" | "wait" | "warn" | "bad", string][] {
  const at = outcome.coordinator;
  if ("failed" in outcome) return [["bad", `${at}: ${outcome.failed}`]];
  const { payouts, nothing } = outcome;
  const stuck = payouts.filter(({ state }) => state === "stuck");
  const paid = payouts.filter(({ state }) => state === "paid").reduce((sum, one) => sum + BigInt(one.node_amount), 0n);
  const words = nothing === null ? null : nothingText(nothing);
  return [
    ...(paid > 0n ? [["ok", `Paid ${dollars(paid)}`] as ["ok", string]] : []),
    ...stuck.map(({ node_amount: amount, reason }): ["warn", string] => [
      ...(["warn", `${dollars(amount)} wait: ${troubleOf(reason ?? "who pays cannot now").what}`] as const),
    ]),
    ...(words === null ? [] : [["wait", `${at}: ${words}`] as ["wait", string]]),
  ];
}

type Nothing = NonNullable<Extract<PayoutRun["outcomes"][number], { nothing: unknown }>["nothing"]>;
function nothingText(nothing: Nothing): string {
  if (nothing === "not_on_chain") return "it pays nothing on a chain; its admin settles earnings in another way";
  switch (nothing.code) {
    case "below_minimum":
      return `${dollars(nothing.unpaid)} are unpaid; it pays from ${dollars(nothing.minimum)} on`;
    case "earlier_waits":
      return "an earlier payout cannot be sent now; what is unpaid is paid after it";
    case "settled_otherwise":
      return "its books say that what is unpaid was settled otherwise; ask its admin";
    case "nothing_unpaid":
      return "nothing more is unpaid";
  }
}

function History({ told }: PayoutsView): Markup {
  const rows = told.flatMap(({ payouts }) => payouts).sort((a, b) => b.created_ms - a.created_ms);
  return (
    <section class="card" id="history" aria-labelledby="history-h">
      <header>
        <h2 id="history-h">Payouts</h2>
      </header>
      {rows.length === 0 ? (
        <Empty icon="coin" title="No payouts yet">
          Once something is unpaid and there is an address, ask for it here. Some networks pay by themselves.
        </Empty>
      ) : (
        <Table
          name="Payouts, the newest first"
          head={
            <>
              <Th>Planned</Th>
              <Th>State</Th>
              <Th n>Amount</Th>
              <Th n>Receipts</Th>
              <Th>Paid to</Th>
              <Th>Transaction</Th>
            </>
          }
        >
          {rows.map(
            ({ id, state, node_amount: amount, receipts, wallet, signature, reason, trouble, created_ms: ms }) => (
              <tr id={`p-${id}`}>
                <td>
                  <When ms={ms} />
                </td>
                <td class="end">
                  <Status tone={PAYOUT_TONE[state]}>{PAYOUT_WORDS[state]}</Status>
                  {(reason ?? trouble) !== null && state !== "paid" && (
                    <p class="note">
                      <Name of={troubleOf(reason ?? trouble ?? "").what} max={200} />
                    </p>
                  )}
                </td>
                <td class="n">{dollars(amount)}</td>
                <td class="n end" data-label="Receipts">
                  {number(receipts)}
                </td>
                <td>
                  <code>{`${wallet.slice(0, 6)}…${wallet.slice(-TYPED)}`}</code>
                </td>
                <td class="end">
                  {signature === null ? (
                    NONE
                  ) : (
                    <>
                      <code>{`${signature.slice(0, 8)}…`}</code>{" "}
                      <Copy text={signature} label={`Copy the transaction of payout ${id.slice(0, 8)}`} />
                    </>
                  )}
                </td>
              </tr>
            ),
          )}
        </Table>
      )}
    </section>
  );
}
