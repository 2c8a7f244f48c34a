// infernet credits show | grant | adjust | settle-outside | statement

import type { BalanceView, MovedCredits, StatementRowView } from "../../admin/money-operations.ts";
import type { Admin } from "../../admin/operations.ts";
import { amountOf, dollars } from "../amounts.ts";
import { chooseNodes } from "../choose-nodes.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { answerOrThrow, withAdmin } from "../instance.ts";
import { type PeriodFlags, periodOf } from "../periods.ts";
import { printCsv, printJsonRows } from "../streams.ts";
import { table } from "../table.ts";

type Json = { json?: boolean };
export type MoveFlags = Json & { reason?: string; id?: string };
export type StatementFlags = Json & PeriodFlags & { csv?: boolean };

/** What everybody has, or one. */
export async function show(
  context: Context,
  options: GlobalOptions,
  account: string | undefined,
  flags: Json,
): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const accounts = await withAdmin(context, config, "credits show", (admin) => allBalances(admin, account));
  if (flags.json) printJson(context, { accounts });
  else {
    const rows = accounts.map((one) => [
      one.account,
      one.name,
      one.funding,
      dollars(one.balance_micro_usd),
      dollars(one.held_micro_usd),
      one.kind === "system" ? null : dollars(one.available_micro_usd),
    ]);
    const head = ["ACCOUNT", "NAME", "FUNDED BY", "BALANCE", "HELD", "AVAILABLE"];
    context.terminal.out(table(head, rows, context.terminal.colors));
  }
  return EXIT.good;
}

async function allBalances(admin: Admin, account: string | undefined): Promise<BalanceView[]> {
  const found: BalanceView[] = [];
  for (let cursor: string | undefined; ; ) {
    const which = { ...(account === undefined ? {} : { account }), ...(cursor === undefined ? {} : { cursor }) };
    const page = answerOrThrow(await admin.listBalances(which));
    found.push(...page.accounts);
    if (page.next === null) return found;
    cursor = page.next;
  }
}

export async function grant(
  context: Context,
  options: GlobalOptions,
  [account, usd]: readonly [string, string],
  flags: MoveFlags,
): Promise<ExitCode> {
  const wanted = { account, amount_micro_usd: amountOf(usd), ...said(flags) };
  return moved(context, options, flags, (admin) => admin.grantCredits(wanted));
}

export async function adjust(
  context: Context,
  options: GlobalOptions,
  [account, usd]: readonly [string, string],
  flags: MoveFlags,
): Promise<ExitCode> {
  const wanted = { account, amount_micro_usd: amountOf(usd, { signed: true }), ...said(flags) };
  return moved(context, options, flags, (admin) => admin.adjustCredits(wanted));
}

/** The reason stays with the movement for good, so it is asked for. */
function said({ reason = "", id }: MoveFlags): { reason: string; id?: string } {
  if (reason.trim() === "") {
    throw new CliError("--reason is needed: it stands in the statement and in the audit log", { exitCode: EXIT.usage });
  }
  return { reason, ...(id === undefined ? {} : { id }) };
}

async function moved(
  context: Context,
  options: GlobalOptions,
  flags: Json,
  move: (admin: Admin) => ReturnType<Admin["grantCredits"]>,
): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const done: MovedCredits = await withAdmin(context, config, "credits", async (admin) =>
    answerOrThrow(await move(admin)),
  );
  if (flags.json) printJson(context, done);
  else {
    const what = done.repeated ? "had this movement already" : `${dollars(done.amount_micro_usd)} (id ${done.id})`;
    context.terminal.out(`${harmless(done.account)}: ${what}; it has ${dollars(done.balance_micro_usd)} now\n`);
  }
  return EXIT.good;
}

/** Notes that a node was paid for its oldest receipts in another way. Prints how much that comes to. */
export async function settleOutside(
  context: Context,
  options: GlobalOptions,
  [node, usd]: readonly [string, string | undefined],
  flags: MoveFlags,
): Promise<ExitCode> {
  const wanted = { ...(usd === undefined ? {} : { most_micro_usd: amountOf(usd) }), ...said(flags) };
  const { config } = await requireConfig(context, options);
  const done = await withAdmin(context, config, "credits settle-outside", async (admin) => {
    const [chosen, another] = await chooseNodes(admin, node);
    if (!chosen || another) throw new CliError("one node is settled at a time: name it");
    return answerOrThrow(await admin.settleOutside({ node: chosen.pubkey, ...wanted }));
  });
  if (flags.json) printJson(context, done);
  else {
    const before = done.repeated ? "settled before" : "settled outside";
    const amount = dollars(done.amount_micro_usd);
    context.terminal.out(`node ${done.node}: ${before}: ${amount} for ${done.receipts} receipts (id ${done.id})\n`);
  }
  return EXIT.good;
}

/** Opening balance, each movement, closing balance; of a client's account or a node's. */
export async function statement(
  context: Context,
  options: GlobalOptions,
  account: string,
  flags: StatementFlags,
): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const period = periodOf(flags, context.nowMs());
  await withAdmin(context, config, "credits statement", async (admin) => {
    const wanted = { account, from_ms: period.fromMs, to_ms: period.toMs };
    const first = answerOrThrow(await admin.readStatement(wanted));
    let closing = first.closing_micro_usd;
    async function* pages(): AsyncGenerator<StatementRowView[]> {
      for (let page = first; ; ) {
        closing = page.closing_micro_usd;
        yield page.rows;
        if (page.next === null) return;
        page = answerOrThrow(await admin.readStatement({ ...wanted, cursor: page.next }));
      }
    }
    const head = { ...wanted, account: first.account, opening_micro_usd: first.opening_micro_usd };
    const whole = { ...head, pages: pages(), closing: () => closing };
    if (flags.json) await statementJson(context, whole);
    else if (flags.csv) await statementCsv(context, whole);
    else await statementTable(context, whole);
  });
  return EXIT.good;
}

type Whole = {
  account: string;
  from_ms: number;
  to_ms: number;
  opening_micro_usd: number;
  pages: AsyncGenerator<StatementRowView[]>;
  closing: () => number;
};

async function* rowsOf(pages: AsyncIterable<StatementRowView[]>): AsyncGenerator<StatementRowView> {
  for await (const rows of pages) yield* rows;
}

async function statementJson(context: Context, { pages, closing, ...head }: Whole): Promise<void> {
  const tail = () => ({ closing_micro_usd: closing() });
  await printJsonRows(context, { head, name: "rows", rows: rowsOf(pages), tail });
}

async function statementCsv(context: Context, whole: Whole): Promise<void> {
  const { opening_micro_usd, from_ms, to_ms, pages, closing } = whole;
  const at = (ms: number) => new Date(ms).toISOString();
  printCsv(context, ["at", "kind", "cause", "counterpart", "reason", "model", "amount_micro_usd", "balance_micro_usd"]);
  printCsv(context, [at(from_ms), "opening", null, null, null, null, null, opening_micro_usd]);
  for await (const row of rowsOf(pages)) {
    const { at_ms, kind, cause, counterparts, reason, model, amount_micro_usd, balance_micro_usd } = row;
    const other = counterparts.join(" ");
    printCsv(context, [at(at_ms), kind, cause, other, reason, model, amount_micro_usd, balance_micro_usd]);
  }
  printCsv(context, [at(to_ms), "closing", null, null, null, null, null, closing()]);
}

async function statementTable(context: Context, whole: Whole): Promise<void> {
  const { terminal } = context;
  const { account, from_ms, to_ms, opening_micro_usd, pages, closing } = whole;
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 16).replace("T", " ");
  terminal.out(`${harmless(account)}, ${day(from_ms)} to ${day(to_ms)} UTC\n`);
  terminal.out(`opening balance ${dollars(opening_micro_usd)}\n`);
  for await (const rows of pages) {
    if (rows.length === 0) continue;
    const cells = rows.map((row) => [
      day(row.at_ms),
      row.kind,
      row.reason ?? row.model,
      row.counterparts.join(" "),
      dollars(row.amount_micro_usd),
      dollars(row.balance_micro_usd),
    ]);
    terminal.out(table(["AT", "KIND", "FOR", "WITH", "AMOUNT", "BALANCE"], cells, terminal.colors));
  }
  terminal.out(`closing balance ${dollars(closing())}\n`);
}
