// Settings operations: what an admin changes of a running coordinator's configuration; part of the one table in
// operations.ts.
import { z } from "zod";
import type { Operation } from "./operations.ts";

const operation = <I extends z.ZodType, O extends z.ZodType>(
  method: Operation["method"],
  path: string,
  input: I,
  output: O,
): Operation<I, O> => ({ method, path, input, output });

const key = z.string().min(1).max(128);
const settingRow = z.object({
  /** As in config.toml: `coordinator.queue_limit`. */
  key: z.string(),
  /** In a few words; the key itself where it never changes while an instance runs. */
  label: z.string(),
  /** What an integer counts: `digits` of it stand behind the point, `sign` before and `text` after it. */
  unit: z.object({ text: z.string(), sign: z.string(), digits: z.int().min(0) }).nullable(),
  why: z.string(),
  kind: z.enum(["text", "integer", "boolean", "choice", "list", "tables", "table", "prices"]),
  nullable: z.boolean(),
  /** In words. */
  allowed: z.string(),
  /** Of a choice, and of a list whose entries are some of them. */
  choices: z.array(z.object({ value: z.string(), label: z.string(), about: z.string() })),
  min: z.int().nullable(),
  max: z.int().nullable(),
  /** What is in effect; secrets are masked. */
  value: z.json(),
  default: z.json(),
  source: z.object({ from: z.enum(["flag", "environment", "settings", "file", "default"]), where: z.string() }),
  /** May be changed while it runs. */
  live: z.boolean(),
  /** A flag or the environment says what it is: it cannot be changed here. */
  fixed: z.boolean(),
  /** What a reset would bring. */
  beneath: z.json(),
  /** What is kept here, in effect or not, who said so and when. */
  kept: z.object({ value: z.json(), changed_ms: z.int(), changed_by: z.string() }).nullable(),
});
export type SettingRow = z.output<typeof settingRow>;

export const SETTINGS_OPERATIONS = {
  /** All keys, in the order of config.toml, and the groups of those that may change. */
  listSettings: operation(
    "GET",
    "/settings",
    z.strictObject({}),
    z.object({
      groups: z.array(z.object({ id: z.string(), title: z.string(), about: z.string(), keys: z.array(z.string()) })),
      settings: z.array(settingRow),
    }),
  ),
  /** In effect, and kept over restarts, when it is answered. `text`: written as in the environment. */
  changeSetting: operation(
    "POST",
    "/settings/:key",
    z
      .strictObject({ key, value: z.json().optional(), text: z.string().max(100_000).optional() })
      .refine(({ value, text }) => (value === undefined) !== (text === undefined), "give either value or text"),
    settingRow,
  ),
  /** Back to what the file or the default says. */
  resetSetting: operation("POST", "/settings/:key/reset", z.strictObject({ key }), settingRow),
} as const;
