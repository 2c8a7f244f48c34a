// Deposit: asking for one, the code that a phone's wallet reads, and how far the payment is.
import { ActForm } from "../../parts/act-form.tsx";
import { type Fault, Field, FormFault } from "../../parts/field.tsx";
import type { Markup } from "../../parts/markup.ts";
import { Body, Card, Copy, Fact, Facts, Notice, Status, type Tone } from "../../parts/parts.tsx";
import { Head, LiveState, Shell, type Viewer } from "../../parts/shell.tsx";
import { dollars, When } from "../../parts/text.tsx";

type FormProps = { csrf: string; typed?: string | undefined; fault?: Fault | null | undefined };
export const DepositForm = ({ csrf, typed, fault }: FormProps): Markup => (
  <ActForm action="/billing/deposits" csrf={csrf} fields label="Deposit">
    <FormFault fault={fault} title="No deposit" fields={["amount"]} />
    <Field
      name="amount"
      label="Amount in dollars"
      value={typed}
      required={false}
      placeholder="5"
      max={32}
      fault={fault}
      hint="Left empty, you choose it in the wallet."
    />
    <button type="submit" class="act">
      Show code to pay
    </button>
  </ActForm>
);

export type PaymentLine = {
  signature: string;
  tone: Tone;
  words: string;
  amount: bigint | null;
  seenMs: number | null;
};
export type DepositState = {
  payments: readonly PaymentLine[];
  /** Why the chain could not be asked; null where it could. */
  trouble: string | null;
};
export type DepositView = {
  viewer: Viewer;
  reference: string;
  /** Solana Pay. */
  url: string;
  treasury: string;
  mint: string;
  amount: bigint | null;
  /** As wallets write it. */
  amountText: string | null;
  expiresMs: number;
  state: DepositState;
};

export const Deposit = (view: DepositView): Markup => {
  const path = `/billing/deposits/${encodeURIComponent(view.reference)}`;
  const isCredited = view.state.payments.some(({ tone }) => tone === "ok");
  return (
    <Shell viewer={view.viewer} title="Deposit" live={`/live/deposit/${encodeURIComponent(view.reference)}`}>
      <Head
        title="Deposit"
        crumb={{ href: "/billing", label: "Billing" }}
        note={view.amount === null ? "Any amount" : dollars(view.amount)}
      >
        <LiveState />
      </Head>
      <div class="cols">
        <Card id="pay" title="Pay with a Solana wallet">
          <Body>
            <div class="paycode">
              <img
                class="qr"
                src={`${path}/qr.svg`}
                width="280"
                height="280"
                alt="Code of the payment for a phone's wallet"
              />
              <div class="stack">
                <p>Read the code with a wallet on a phone, or open the address in one on this machine.</p>
                <p class="row">
                  <a class="button act" href={view.url}>
                    Open in wallet
                  </a>
                  <Copy text={view.url} label="Copy the payment's address" />
                </p>
                <p class="note">
                  Pay from a wallet that writes the reference into the payment. A plain transfer to the treasury cannot
                  be told apart, and is not credited.
                </p>
              </div>
            </div>
            <Facts>
              <Fact name="Amount">
                {view.amountText === null ? (
                  "yours to choose"
                ) : (
                  <Copied text={view.amountText} label="Copy the amount" />
                )}
              </Fact>
              <Fact name="Treasury">
                <Copied text={view.treasury} label="Copy the treasury's address" />
              </Fact>
              <Fact name="Token (mint)">
                <Copied text={view.mint} label="Copy the mint's address" />
              </Fact>
              <Fact name="Reference">
                <Copied text={view.reference} label="Copy the reference" />
              </Fact>
              <Fact name="Looked for until">
                <When ms={view.expiresMs} />
              </Fact>
            </Facts>
            <p class="note">What comes later is found, too, when this page is opened.</p>
          </Body>
        </Card>
        <div class="stack">
          <Card id="payment" title="Payment">
            <div class="body stack" id="deposit-state" role="status">
              <StateOf state={view.state} />
            </div>
          </Card>
          {!isCredited && (
            <Notice tone="warn" title="The operator holds it">
              From the moment it is credited there is no way to take it back out: it pays for requests.
            </Notice>
          )}
        </div>
      </div>
    </Shell>
  );
};

const Copied = ({ text, label }: { text: string; label: string }): Markup => (
  <>
    <code>{text}</code> <Copy text={text} label={label} />
  </>
);

/** What came, the newest first; or that it is waited for. */
export const StateOf = ({ state: { payments, trouble } }: { state: DepositState }): Markup => (
  <>
    {trouble !== null && <Status tone="warn">{trouble}</Status>}
    {payments.length === 0 && trouble === null && <Status tone="wait">Waiting for the payment</Status>}
    {payments.map(({ signature, tone, words, amount, seenMs }) => (
      <div>
        <Status tone={tone}>
          {words}
          {amount !== null && ` ${dollars(amount)}`}
        </Status>
        <p class="note">
          {seenMs !== null && (
            <>
              <When ms={seenMs} />
              {" · "}
            </>
          )}
          <code class="wrap">{`${signature.slice(0, 20)}…`}</code>{" "}
          <Copy text={signature} label="Copy the transaction's signature" />
        </p>
      </div>
    ))}
  </>
);
