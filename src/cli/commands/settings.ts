// infernet settings list | set | reset
import type { SettingRow } from "../../admin/settings-operations.ts";
import { EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { answerOrThrow, withAdmin } from "../instance.ts";
import { table } from "../table.ts";

type Json = { json?: boolean };

export async function list(
  context: Context,
  options: GlobalOptions,
  flags: Json & { all?: boolean },
): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const all = await withAdmin(context, config, "settings list", async (admin) =>
    answerOrThrow(await admin.listSettings({})),
  );
  const settings = flags.all ? all.settings : all.settings.filter(({ live }) => live);
  if (flags.json) printJson(context, { settings });
  else {
    const tableOf = (some: readonly SettingRow[]) => {
      const rows = some.map((row) => [row.key, row.label, valueText(row.value), sourceText(row), row.allowed]);
      return table(["KEY", "WHAT", "VALUE", "FROM", "ALLOWED"], rows, context.terminal.colors);
    };
    const byKey = new Map(settings.map((row) => [row.key, row]));
    const parts = all.groups.map(({ title, about, keys }) => ({
      title: `${title}: ${about}`,
      rows: keys.flatMap((key) => byKey.get(key) ?? []).filter(({ live }) => live),
    }));
    parts.push({ title: "Read at the start only", rows: settings.filter(({ live }) => !live) });
    const shown = parts.filter(({ rows }) => rows.length > 0);
    context.terminal.out(shown.map(({ title, rows }) => `${title}\n${tableOf(rows)}`).join("\n"));
  }
  return EXIT.good;
}

export async function set(
  context: Context,
  options: GlobalOptions,
  key: string,
  text: string,
  flags: Json,
): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const [row, runs] = await withAdmin(
    context,
    config,
    "settings set",
    async (admin, running) => [answerOrThrow(await admin.changeSetting({ key, text })), running !== null] as const,
  );
  return tell(context, row, runs, flags);
}

export async function reset(context: Context, options: GlobalOptions, key: string, flags: Json): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const [row, runs] = await withAdmin(
    context,
    config,
    "settings reset",
    async (admin, running) => [answerOrThrow(await admin.resetSetting({ key })), running !== null] as const,
  );
  return tell(context, row, runs, flags);
}

function tell(context: Context, row: SettingRow, runs: boolean, flags: Json): ExitCode {
  if (flags.json) printJson(context, row);
  else {
    const when = runs ? "" : ", from the next start on";
    context.terminal.out(`${harmless(row.key)} is ${harmless(valueText(row.value))} (${sourceText(row)})${when}\n`);
  }
  return EXIT.good;
}

const valueText = (value: SettingRow["value"]): string =>
  value === null ? "not set" : typeof value === "string" ? value : JSON.stringify(value);

const sourceText = ({ source: { from, where } }: SettingRow): string =>
  from === "default" ? "default" : from === "settings" ? `settings, by ${harmless(where)}` : harmless(where);
