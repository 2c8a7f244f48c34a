// Aliases: what a form says of one, and the setting that it becomes.
import { z } from "zod";
import type { SettingRow } from "../../admin/settings-operations.ts";
import { err, ok, type Result } from "../../lib/result.ts";

export type Aliases = Readonly<Record<string, readonly string[]>>;
/** What was typed and not taken. `of`: the alias whose form it is; null for a new one. */
export type AliasFault = { of: string | null; name: string; models: string; words: string };

const aliasesSchema = z.record(z.string(), z.array(z.string()));
export const aliasesIn = (row: Pick<SettingRow, "value">): Aliases => aliasesSchema.parse(row.value);

const MOST_MODELS = 16;
const MOST_CHARS = 256;

/** The form's fields: a model a line. */
export function aliasIn(name: string, models: string): Result<{ name: string; models: string[] }, string> {
  const named = name.trim();
  const lines = models
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
  if (named === "") return err("Give it a name that clients ask for.");
  if (lines.length === 0) return err("Name one model at least that it stands for.");
  if (lines.length > MOST_MODELS) return err(`It may stand for ${MOST_MODELS} models at most.`);
  if ([named, ...lines].some((text) => text.length > MOST_CHARS))
    return err(`Names have ${MOST_CHARS} characters at most.`);
  if (lines.includes(named)) return err("It cannot stand for itself.");
  return ok({ name: named, models: [...new Set(lines)] });
}

/** With this one as it is given, in the place of `former` where that was another name. */
export function withAlias(aliases: Aliases, former: string | null, name: string, models: readonly string[]): Aliases {
  const others = Object.entries(aliases).filter(([one]) => one !== former && one !== name);
  return Object.fromEntries([...others, [name, models]]);
}
export const withoutAlias = (aliases: Aliases, name: string): Aliases =>
  Object.fromEntries(Object.entries(aliases).filter(([one]) => one !== name));
