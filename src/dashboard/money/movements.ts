// Movements: a page of what changed a ledger account, as people read it.
import type { MovementView } from "../../../web/parts/movements.tsx";
import type { SignedInCall } from "../../http/routes.ts";
import { type MovementPage, movementCursorText, movementPage, readMovementCursor } from "../../ledger/movements.ts";
import type { StatementRow } from "../../ledger/statement.ts";
import type { DashboardDeps } from "../deps.ts";
import { cursorsOf, hrefWith } from "../query.ts";
import { type Days, daysOf } from "./period.ts";

export type MovementList = { rows: readonly MovementView[]; newer: string | null; older: string | null; days: Days };

const ROWS = 25;

/** Of `account`, as the page's address asks for them. */
export async function movementsOf(
  { db, clock }: Pick<DashboardDeps, "db" | "clock">,
  call: SignedInCall,
  account: string,
): Promise<MovementList> {
  const days = daysOf(call, clock.nowMs());
  const { after, before } = cursorsOf(call);
  const text = after ?? before;
  const cursor = text === null ? null : readMovementCursor(text);
  const page: MovementPage = await movementPage(db, { account, period: days.period, limit: ROWS }, cursor);
  const hrefs = hrefWith(call, {
    newer: page.newer && movementCursorText(page.newer),
    older: page.older && movementCursorText(page.older),
  });
  return { rows: page.rows.map((row) => movementView(row, account.startsWith("node/"))), ...hrefs, days };
}

/** A job's id, of the attempt that a settlement is for. */
const JOB_CHARS = 36;

function movementView(row: StatementRow, ofNode: boolean): MovementView {
  const { transaction, atMs, kind, cause, reason, model, amount, balance } = row;
  return {
    ...{ transaction, atMs, reason, model, amount, balance },
    what: wordsFor(row, ofNode),
    job: kind === "settlement" ? cause.slice(0, JOB_CHARS) : null,
    payout: /^payout\/([0-9a-f]{32})$/.exec(cause)?.[1] ?? null,
    paidBy: kind === "deposit" || kind === "prepaid" ? cause.slice(cause.indexOf("/") + 1) : null,
  };
}

function wordsFor({ kind, cause, amount }: StatementRow, ofNode: boolean): string {
  switch (kind) {
    case "grant":
      return "Credit granted";
    case "adjustment":
      return "Correction";
    case "deposit":
      return "Deposit";
    case "allowance":
      return amount > 0n ? "Allowance, as the chain has it" : "Allowance lowered on the chain";
    case "settlement":
      return ofNode ? "Earned" : "Job";
    case "payout":
      return cause.startsWith("outside/") ? "Settled outside" : "Paid out";
    case "prepaid":
      return "Prepaid chat";
    case "slash":
      return "Slashed";
  }
}
