// Movements: what changed an account, a row each, with the balance after it.
import type { Markup } from "./markup.ts";
import { Empty, Table, Th, Why } from "./parts.tsx";
import { dollars, Name, shortId, When } from "./text.tsx";

export type MovementView = {
  transaction: number;
  atMs: number;
  /** What kind of movement it is, in words. */
  what: string;
  /** Somebody's words. */
  reason: string | null;
  model: string | null;
  /** What it links to, where there is something. */
  job: string | null;
  payout: string | null;
  /** Of the payment on the chain. */
  paidBy: string | null;
  /** µ$. */
  amount: bigint;
  balance: bigint;
};

/** `+$5.00`, `–$0.000 712`. */
export const signedDollars = (amount: bigint): string => (amount > 0n ? `+${dollars(amount)}` : dollars(amount));

/** `jobs`, `payouts`: where their pages are for who looks; null: they have none. */
type Where = { jobs: string | null; payouts: string | null };

export const Movements = ({ rows, where }: { rows: readonly MovementView[]; where: Where }): Markup =>
  rows.length === 0 ? (
    <Empty icon="log" title="No movements">
      Everything that changes the balance stands here: what came in, what jobs cost, and why.
    </Empty>
  ) : (
    <Table
      name="Movements, the newest first"
      head={
        <>
          <Th>When</Th>
          <Th>What</Th>
          <Th n>Amount</Th>
          <Th n>Balance</Th>
        </>
      }
    >
      {rows.map((row) => (
        <tr id={`m${row.transaction}`}>
          <td>
            <When ms={row.atMs} />
          </td>
          <td class="whole wrap">
            <What row={row} where={where} />
          </td>
          <td class="n">{signedDollars(row.amount)}</td>
          <td class="n end" data-label="Balance">
            {dollars(row.balance)}
          </td>
        </tr>
      ))}
    </Table>
  );

const What = ({ row, where }: { row: MovementView; where: Where }): Markup => (
  <>
    {row.what}{" "}
    {row.job !== null &&
      (where.jobs === null ? (
        <code>{shortId(row.job)}</code>
      ) : (
        <a href={`${where.jobs}${encodeURIComponent(row.job)}`}>
          <code>{shortId(row.job)}</code>
        </a>
      ))}
    {row.payout !== null &&
      (where.payouts === null ? (
        <code>{row.payout.slice(0, 8)}</code>
      ) : (
        <a href={`${where.payouts}${row.payout}`}>
          <code>{row.payout.slice(0, 8)}</code>
        </a>
      ))}
    {row.model !== null && (
      <>
        {" · "}
        <Name of={row.model} />
      </>
    )}
    {row.paidBy !== null && (
      <small>
        {" "}
        <code>{`${row.paidBy.slice(0, 16)}…`}</code>
      </small>
    )}
    {row.reason !== null && (
      <small>
        {" "}
        <Name of={row.reason} max={160} />
      </small>
    )}
  </>
);

/** First and last day, both included (UTC). */
export const DayFields = ({ from, to, why }: { from: string; to: string; why: string | null }): Markup => (
  <>
    <label>
      From
      <input type="date" name="from" value={from} aria-invalid={why === null ? undefined : "true"} />
    </label>
    <label>
      To
      <input type="date" name="to" value={to} aria-invalid={why === null ? undefined : "true"} />
    </label>
    {why !== null && <Why>{why}</Why>}
  </>
);
