// Allowance: a token account of one's own pays, up to a cap: how to make one, how it stands, how to end it.
import { Act } from "../../parts/act.tsx";
import { ActForm } from "../../parts/act-form.tsx";
import { type Fault, Field, FormFault } from "../../parts/field.tsx";
import type { Markup } from "../../parts/markup.ts";
import { Body, Card, Copy, Fact, Facts, Notice, Status } from "../../parts/parts.tsx";
import { Head, Shell, type Viewer } from "../../parts/shell.tsx";
import { dollars, When } from "../../parts/text.tsx";

export type AllowanceSteps = {
  /** For the wallet to sign and send. */
  opening: { transaction: string; tokenAccount: string } | null;
  /** For the wallet to sign. */
  proof: { text: string; issuedMs: number } | null;
};
export type AllowanceRow = {
  wallet: string;
  tokenAccount: string;
  delegate: string;
  registeredMs: number;
  observedMs: number | null;
  /** µ$, as the chain has it. */
  spendable: bigint;
  /** Why nothing can be spent. */
  words: string | null;
};
export type AllowanceView = {
  viewer: Viewer;
  mayChange: boolean;
  /** Whom to approve. */
  delegate: string;
  mint: string;
  maxUnsettled: bigint;
  row: AllowanceRow | null;
  fields: Readonly<Record<string, string>>;
  fault: Fault | null;
  steps: AllowanceSteps;
};

export const AllowancePage = (view: AllowanceView): Markup => (
  <Shell viewer={view.viewer} title="Allowance">
    <Head
      title="Allowance"
      crumb={{ href: "/billing", label: "Billing" }}
      note="Your money stays in a token account of yours until a job has used it."
    />
    <div class="cols">
      <div class="stack">{view.row === null ? <Making {...view} /> : <There {...view} row={view.row} />}</div>
      <div class="stack">
        <Card id="know" title="Good to know">
          <Body>
            <p>
              You are protected by the cap, by receipts that you can verify, and by your right to revoke at any time.
            </p>
            <p>
              You are not protected from an operator who is dishonest: the key that you approve could send what you
              approved elsewhere, up to the cap.
            </p>
            <p>{`At most ${dollars(view.maxUnsettled)} may be used before it is paid on the chain.`}</p>
          </Body>
        </Card>
      </div>
    </div>
  </Shell>
);

const Address = ({ text, label }: { text: string; label: string }): Markup => (
  <>
    <code>{text}</code> <Copy text={text} label={label} />
  </>
);

const There = ({ viewer, row, mayChange }: AllowanceView & { row: AllowanceRow }): Markup => (
  <Card
    id="state"
    title="This account's allowance"
    aside={<Status tone={row.words === null ? "ok" : "warn"}>{row.words === null ? "Pays" : "Cannot pay"}</Status>}
  >
    <Body>
      {row.words !== null && (
        <Notice tone="warn" title="Nothing can be spent">
          {`${row.words.charAt(0).toUpperCase()}${row.words.slice(1)}.`}
        </Notice>
      )}
      <Facts>
        <Fact name="On the chain">{dollars(row.spendable)}</Fact>
        <Fact name="Seen there">{row.observedMs === null ? "–" : <When ms={row.observedMs} />}</Fact>
        <Fact name="Token account">
          <Address text={row.tokenAccount} label="Copy the token account" />
        </Fact>
        <Fact name="Wallet">
          <Address text={row.wallet} label="Copy the wallet" />
        </Fact>
        <Fact name="Approved">
          <Address text={row.delegate} label="Copy whom you approved" />
        </Fact>
        <Fact name="Since">
          <When ms={row.registeredMs} />
        </Fact>
      </Facts>
      {mayChange && (
        <Act
          to="/billing/allowance/end"
          csrf={viewer.human?.csrf ?? ""}
          look="danger"
          ask={{
            title: "End the allowance?",
            what: "Requests are refused until the account is funded in another way. The approval on the chain stays until you revoke it in your wallet.",
            act: "End allowance",
          }}
        >
          End allowance
        </Act>
      )}
    </Body>
  </Card>
);

const Making = (view: AllowanceView): Markup =>
  view.mayChange ? (
    <>
      <FormFault
        fault={view.fault}
        title="That did not work"
        fields={["wallet", "deposit", "cap", "token_account", "signature"]}
      />
      <First {...view} />
      {view.steps.opening !== null && <Sign {...view} opening={view.steps.opening} />}
      <Second {...view} />
      {view.steps.proof !== null && <Third {...view} proof={view.steps.proof} />}
    </>
  ) : (
    <Notice tone="wait" title="None yet">
      An owner of the account approves one.
    </Notice>
  );

const First = ({ fields, fault, delegate, mint }: AllowanceView): Markup => (
  <Card id="step-1" title="1. Open a token account for this alone">
    <Body>
      <form class="fields" action="/billing/allowance" method="get">
        <Field name="wallet" label="Your wallet's address" value={fields.wallet} fault={fault} max={64} />
        <Field
          name="deposit"
          label="Move into it, in dollars"
          value={fields.deposit}
          fault={fault}
          max={32}
          placeholder="5"
        />
        <Field
          name="cap"
          label="Approve of it, in dollars"
          value={fields.cap}
          fault={fault}
          max={32}
          required={false}
          hint="The most that may ever be taken. Left empty: all of it."
        />
        <button type="submit" class="act">
          Make transaction
        </button>
      </form>
      <details>
        <summary>You have one already, and approve it yourself</summary>
        <Facts>
          <Fact name="Approve">
            <Address text={delegate} label="Copy whom to approve" />
          </Fact>
          <Fact name="Token (mint)">
            <Address text={mint} label="Copy the mint's address" />
          </Fact>
        </Facts>
      </details>
    </Body>
  </Card>
);

const Sign = ({ opening }: { opening: NonNullable<AllowanceSteps["opening"]> }): Markup => (
  <Card
    id="sign"
    title="Sign and send this transaction"
    aside={<Copy text={opening.transaction} label="Copy the transaction" />}
  >
    <Body>
      <p class="secret">{opening.transaction}</p>
      <p class="note">
        Base64, good for about a minute. It opens the token account <code class="wrap">{opening.tokenAccount}</code>,
        moves the money there from your main one and approves the cap. Go on once it is final, some fifteen seconds
        later.
      </p>
    </Body>
  </Card>
);

const Second = ({ fields, fault }: AllowanceView): Markup => (
  <Card id="step-2" title="2. Say which token account">
    <Body>
      <form class="fields" action="/billing/allowance" method="get">
        <Field id="wallet-2" name="wallet" label="Your wallet's address" value={fields.wallet} max={64} />
        <Field name="token_account" label="Token account" value={fields.token_account} fault={fault} max={64} />
        <button type="submit">Show text to sign</button>
      </form>
    </Body>
  </Card>
);

const Third = ({
  viewer,
  fields,
  fault,
  proof,
}: AllowanceView & { proof: NonNullable<AllowanceSteps["proof"]> }): Markup => (
  <Card id="step-3" title="3. Prove that it is yours" aside={<Copy text={proof.text} label="Copy the text" />}>
    <Body>
      <pre class="code" tabindex={0} role="region" aria-label="Text to sign">
        {proof.text}
      </pre>
      <p class="note">Have the wallet sign exactly this as a message, within ten minutes.</p>
      <ActForm action="/billing/allowance" csrf={viewer.human?.csrf ?? ""} fields label="Proof">
        <input type="hidden" name="wallet" value={fields.wallet} />
        <input type="hidden" name="token_account" value={fields.token_account} />
        <input type="hidden" name="issued_ms" value={`${proof.issuedMs}`} />
        <Field name="signature" label="Its signature, in base58" fault={fault} max={96} />
        <button type="submit" class="act">
          Let it pay
        </button>
      </ActForm>
    </Body>
  </Card>
);
