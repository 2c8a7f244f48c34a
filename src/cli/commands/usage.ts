// infernet usage
import type { Admin, Output } from "../../admin/operations.ts";
import { USAGE_BY, type UsageBy } from "../../jobs/usage.ts";
import type { CsvCell } from "../../lib/csv.ts";
import type { Period } from "../../lib/period.ts";
import { dollars } from "../amounts.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, requireConfig } from "../context.ts";
import { answerOrThrow, withAdmin } from "../instance.ts";
import { type PeriodFlags, periodOf } from "../periods.ts";
import { printCsv, printJsonRows } from "../streams.ts";
import { table } from "../table.ts";

export type UsageFlags = PeriodFlags & { by?: string; account?: string; json?: boolean; csv?: boolean };
type Row = Output<"readUsage">["rows"][number];

/** Names of the columns that rows are counted by, in the order in which they are sorted. */
const GROUPS: Record<UsageBy, readonly (keyof Row)[]> = {
  day: ["day"],
  account: ["account"],
  key: ["key", "key_name"],
  model: ["model"],
};
const SUMS = ["requests", "completed", "prompt_tokens", "completion_tokens", "charged_micro_usd"] as const;

/** Requests, tokens and what was charged, counted by what `--by` names. */
export async function usage(context: Context, options: GlobalOptions, flags: UsageFlags): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const by = groupsOf(flags.by ?? "key,model");
  const period = periodOf(flags, context.nowMs());
  const columns = (["day", "account", "key", "model"] as const)
    .filter((one) => by.includes(one))
    .flatMap((one) => GROUPS[one]);
  await withAdmin(context, config, "usage", async (admin) => {
    const rows = allRows(admin, by, period, flags.account);
    if (flags.json) {
      const head = { from_ms: period.fromMs, to_ms: period.toMs, by };
      await printJsonRows(context, { head, name: "rows", rows });
    } else if (flags.csv) {
      printCsv(context, [...columns, ...SUMS]);
      for await (const row of rows)
        printCsv(
          context,
          [...columns, ...SUMS].map((name): CsvCell => row[name] ?? null),
        );
    } else await usageTable(context, columns, rows);
  });
  return EXIT.good;
}

function groupsOf(text: string): UsageBy[] {
  return text.split(",").flatMap((part) => {
    const name = part.trim();
    if (name === "") return [];
    const known = USAGE_BY.find((one) => one === name);
    if (known) return known;
    throw new CliError(`--by ${JSON.stringify(name)} must be one of ${USAGE_BY.join(", ")}`, { exitCode: EXIT.usage });
  });
}

async function* allRows(
  admin: Admin,
  by: UsageBy[],
  { fromMs, toMs }: Period,
  account: string | undefined,
): AsyncGenerator<Row> {
  const wanted = { by, from_ms: fromMs, to_ms: toMs, ...(account === undefined ? {} : { account }) };
  for (let cursor: string | null = null; ; ) {
    const page: Output<"readUsage"> = answerOrThrow(
      await admin.readUsage(cursor === null ? wanted : { ...wanted, cursor }),
    );
    yield* page.rows;
    if (page.next === null) return;
    cursor = page.next;
  }
}

async function usageTable(
  { terminal }: Context,
  columns: readonly (keyof Row)[],
  rows: AsyncIterable<Row>,
): Promise<void> {
  const cells: (string | number | null)[][] = [];
  for await (const row of rows) {
    const named = columns.map((name) => row[name] ?? null);
    const { requests, completed, prompt_tokens, completion_tokens, charged_micro_usd } = row;
    cells.push([...named, requests, completed, prompt_tokens, completion_tokens, dollars(charged_micro_usd)]);
  }
  if (cells.length === 0) {
    terminal.err("Nothing was asked for in that time.\n");
    return;
  }
  const titles = columns.map((name) => name.replace("_", " ").toUpperCase());
  terminal.out(table([...titles, "REQUESTS", "COMPLETED", "PROMPT", "COMPLETION", "CHARGED"], cells, terminal.colors));
}
