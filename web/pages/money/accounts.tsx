// Accounts: who has how much; one of them with its movements, and what an admin may do about it.
import { ActForm } from "../../parts/act-form.tsx";
import { type Fault, Field, FormFault } from "../../parts/field.tsx";
import type { Markup } from "../../parts/markup.ts";
import { MoneyNav, SYSTEM_WORDS } from "../../parts/money-nav.tsx";
import { DayFields, Movements, type MovementView, signedDollars } from "../../parts/movements.tsx";
import {
  Body,
  Card,
  Empty,
  Fact,
  Facts,
  Figure,
  Figures,
  Filters,
  Pager,
  Search,
  Select,
  Table,
  Th,
} from "../../parts/parts.tsx";
import { Head, Shell, type Viewer } from "../../parts/shell.tsx";
import { dollars, Name, NONE, plainName } from "../../parts/text.tsx";

export type AccountLine = {
  /** Of the ledger. */
  id: string;
  kind: string;
  name: string | null;
  funding: string | null;
  /** µ$. */
  balance: bigint;
  held: bigint;
};

const KINDS = [
  ["client", "Clients"],
  ["node", "Nodes"],
  ["system", "The network's own"],
] as const;

type AccountsView = {
  viewer: Viewer;
  onChain: boolean;
  kind: string;
  q: string;
  rows: readonly AccountLine[];
  why: string | null;
  newer: string | null;
  older: string | null;
};

const accountHref = (id: string): string => `/admin/money/account?id=${encodeURIComponent(id)}`;

export const Accounts = (view: AccountsView): Markup => (
  <Shell viewer={view.viewer} title="Accounts">
    <Head title="Accounts" crumb={{ href: "/admin/money", label: "Money" }}>
      <MoneyNav here="/admin/money/accounts" onChain={view.onChain} />
    </Head>
    <Filters list="accounts-card" action="/admin/money/accounts">
      <Select name="kind" label="Of" value={view.kind} options={KINDS} />
      <Search label="Find one" value={view.q} placeholder="name, email, id or key" />
    </Filters>
    <Card id="accounts" title="Balances" footer={<Pager list="accounts-card" newer={view.newer} older={view.older} />}>
      {view.rows.length === 0 ? (
        <Empty icon="coin" title={view.why === null ? "No accounts with money yet" : "Not found"}>
          {view.why ?? "An account is in the books once something moved. Find one by its name to grant it credit."}
        </Empty>
      ) : (
        <Table
          name="Balances by account"
          head={
            <>
              <Th>Account</Th>
              <Th>Funded by</Th>
              <Th n>Balance</Th>
              <Th n>Held</Th>
              <Th n>Available</Th>
            </>
          }
        >
          {view.rows.map((row) => (
            <tr>
              <td class="wrap">
                <a href={accountHref(row.id)}>
                  {row.name === null ? <code>{short(row.id)}</code> : <Name of={row.name} />}
                </a>
                {row.name !== null && (
                  <small>
                    {" "}
                    <code>{short(row.id)}</code>
                  </small>
                )}
              </td>
              <td class="end">{row.kind === "system" ? (SYSTEM_WORDS[row.id] ?? NONE) : (row.funding ?? NONE)}</td>
              <td class="n" data-label="Balance">
                {dollars(row.balance)}
              </td>
              <td class="n end" data-label="Held">
                {dollars(row.held)}
              </td>
              <td class="n" data-label="Available">
                {dollars(row.balance - row.held)}
              </td>
            </tr>
          ))}
        </Table>
      )}
    </Card>
  </Shell>
);

/** An id's kind, and its beginning. */
const short = (id: string): string => (id.length > 28 ? `${id.slice(0, 24)}…` : id);

export type MoveForm = {
  /** Sent with it: what comes twice moves once. */
  id: string;
  fields: Readonly<Record<string, string>>;
  /** Which of the forms it is. */
  act: "grant" | "adjust" | "settle" | null;
  fault: Fault | null;
  /** Is to be confirmed: the exact amount; null: all that is owed. */
  asks: { amount: bigint | null } | null;
};
type AccountView = {
  viewer: Viewer;
  onChain: boolean;
  account: AccountLine;
  form: MoveForm;
  movements: { rows: readonly MovementView[]; newer: string | null; older: string | null };
  period: { from: string; to: string; why: string | null };
};

const titleOf = ({ name, id }: AccountLine): string => plainName(name ?? id, 60);

export const Account = (view: AccountView): Markup => {
  const { account, movements, form } = view;
  const node = account.id.startsWith("node/") ? account.id.slice("node/".length) : null;
  return (
    <Shell viewer={view.viewer} title={titleOf(account)}>
      <Head
        title={<Name of={account.name ?? account.id} max={60} />}
        crumb={{ href: "/admin/money/accounts", label: "Accounts" }}
        note={<code class="wrap">{account.id}</code>}
      >
        {node !== null && (
          <a class="button" href={`/nodes/${node}`}>
            Show node
          </a>
        )}
      </Head>
      {form.asks !== null && <Sure {...view} asks={form.asks} />}
      <Figures id="figures">
        <Figure label="Balance" value={dollars(account.balance)} />
        <Figure
          label="Held"
          value={dollars(account.held)}
          note={node === null ? "for jobs under way" : "in open payouts"}
        />
        <Figure label="Available" value={dollars(account.balance - account.held)} />
      </Figures>
      <div class="cols">
        <div class="stack">
          <Filters list="movements-card" action="/admin/money/account">
            <input type="hidden" name="id" value={account.id} />
            <DayFields {...view.period} />
          </Filters>
          <Card
            id="movements"
            title="Movements"
            footer={<Pager list="movements-card" newer={movements.newer} older={movements.older} />}
          >
            <Movements rows={movements.rows} where={{ jobs: "/jobs/", payouts: "/admin/money/payouts/" }} />
          </Card>
        </div>
        <div class="stack">
          {account.kind === "client" && <Grant {...view} />}
          {node !== null && <Settle {...view} />}
          {account.kind !== "system" && <Adjust {...view} />}
          {account.kind === "system" && (
            <Card id="what" title="What it is">
              <Body>
                <p>{SYSTEM_WORDS[account.id]}.</p>
              </Body>
            </Card>
          )}
        </div>
      </div>
    </Shell>
  );
};

type Named = { title: string; act: NonNullable<MoveForm["act"]>; button: string; hint: string };
const GRANT: Named = { title: "Grant credit", act: "grant", button: "Grant credit", hint: "Like 25 or 0.5." };
const ADJUST: Named = {
  title: "Correct the balance",
  act: "adjust",
  button: "Correct balance",
  hint: "Like 25 or -3.20; never below what is held.",
};
const SETTLE: Named = {
  title: "Settle outside",
  act: "settle",
  button: "Note as settled",
  hint: "At most so much, whole receipts, the oldest first. Left empty: all that is owed.",
};

const Grant = (view: AccountView): Markup =>
  view.account.funding === null || view.account.funding === "credits" || view.account.balance === 0n ? (
    <Move {...view} named={GRANT} />
  ) : (
    <Card id="grant" title="Grant credit">
      <Body>
        <p class="note">{`This account's money comes from ${view.account.funding}. Credit can be granted once nothing is left.`}</p>
      </Body>
    </Card>
  );
const Adjust = (view: AccountView): Markup => <Move {...view} named={ADJUST} />;
const Settle = (view: AccountView): Markup => <Move {...view} named={SETTLE} />;

function Move({ viewer, account, form, named }: AccountView & { named: Named }): Markup {
  const { title, act, button, hint } = named;
  const mine = form.act === act;
  const fault = mine ? form.fault : null;
  const shown = (field: string): Fault | null =>
    fault?.field === field ? { ...fault, field: `${act}-${field}` } : null;
  return (
    <Card id={act} title={title}>
      <Body>
        <ActForm action="/admin/money/account" csrf={viewer.human?.csrf ?? ""} fields label={title}>
          <input type="hidden" name="act" value={act} />
          <input type="hidden" name="account" value={account.id} />
          <input type="hidden" name="id" value={form.id} />
          <FormFault fault={fault} title="Nothing was moved" fields={["usd", "reason"]} />
          <Typed
            act={act}
            name="usd"
            label="Amount in dollars"
            hint={hint}
            fault={shown("usd")}
            value={mine ? form.fields.usd : undefined}
            required={act !== "settle"}
          />
          <Typed
            act={act}
            name="reason"
            label="Reason"
            hint="Stands in the statement and in the audit log."
            fault={shown("reason")}
            value={mine ? form.fields.reason : undefined}
            required
          />
          <button type="submit">{button}</button>
        </ActForm>
      </Body>
    </Card>
  );
}

type TypedProps = {
  act: string;
  name: "usd" | "reason";
  label: string;
  hint: string;
  fault: Fault | null;
  value: string | undefined;
  required: boolean;
};
/** Several forms of a page have fields of the same names. */
const Typed = ({ act, name, label, hint, fault, value, required }: TypedProps): Markup => (
  <Field
    name={name}
    id={`${act}-${name}`}
    label={label}
    hint={hint}
    value={value}
    required={required}
    max={name === "usd" ? 32 : 512}
    fault={fault && { ...fault, field: name }}
  />
);

const NAMES = { grant: GRANT, adjust: ADJUST, settle: SETTLE } as const;

/** The exact amount once more, before money moves. */
const Sure = ({ viewer, account, form, asks }: AccountView & { asks: NonNullable<MoveForm["asks"]> }): Markup => {
  const named = NAMES[form.act ?? "grant"];
  const amount =
    asks.amount === null
      ? "all that is owed"
      : form.act === "adjust"
        ? signedDollars(asks.amount)
        : dollars(asks.amount);
  return (
    <section class="card" aria-labelledby="sure">
      <header>
        <h2 id="sure">{`${named.title}: ${amount}?`}</h2>
      </header>
      <Body>
        <Facts>
          <Fact name="Account">
            <Name of={account.name ?? account.id} max={60} />
          </Fact>
          <Fact name="Amount">{amount}</Fact>
          <Fact name="Reason">
            <Name of={form.fields.reason ?? ""} max={512} />
          </Fact>
        </Facts>
        <div class="row">
          <ActForm action="/admin/money/account" csrf={viewer.human?.csrf ?? ""} label="Confirm">
            {(["act", "account", "usd", "reason"] as const).map((name) => (
              <input type="hidden" name={name} value={form.fields[name] ?? ""} />
            ))}
            <input type="hidden" name="id" value={form.id} />
            <input type="hidden" name="sure" value="yes" />
            <button type="submit" class="act" autofocus>
              {named.button}
            </button>
          </ActForm>
          <a class="button" href={`/admin/money/account?id=${encodeURIComponent(account.id)}`}>
            Keep as it is
          </a>
        </div>
      </Body>
    </section>
  );
};
