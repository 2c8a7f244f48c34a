// infernet keys create | list | rotate | revoke
import { CLIENT_SCOPES } from "../../accounts/key-rights.ts";
import { MAX_RATE } from "../../accounts/rate-limits.ts";
import { type Input, KEY_ROLES, type KeyRow } from "../../admin/operations.ts";
import { microUsd, usd } from "../../lib/money.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { answerOrThrow, withAdmin } from "../instance.ts";
import { relativeTime, table } from "../table.ts";
import { durationS, wholeNumber } from "../values.ts";

/** All as typed. */
export type KeyFlags = {
  account?: string;
  role?: string;
  expires?: string;
  scope?: string[];
  model?: string[];
  pool?: string[];
  rpm?: string;
  tpm?: string;
  spendDay?: string;
  spendTotal?: string;
};

/** Prints the key alone on stdout, so that a script can take it. */
export async function create(
  context: Context,
  options: GlobalOptions,
  name: string,
  flags: KeyFlags & { json?: boolean },
): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const wanted: Input<"createKey"> = {
    name,
    ...(flags.account === undefined ? {} : { account: flags.account }),
    role: oneOf(KEY_ROLES, flags.role ?? "client", "--role"),
    scopes: (flags.scope ?? []).map((scope) => oneOf(CLIENT_SCOPES, scope, "--scope")),
    models: flags.model ?? [],
    pools: flags.pool ?? [],
    requests_per_minute: rate(flags.rpm, "--rpm"),
    tokens_per_minute: rate(flags.tpm, "--tpm"),
    spend_day: amount(flags.spendDay, "--spend-day"),
    spend_total: amount(flags.spendTotal, "--spend-total"),
    ...lifetime(flags.expires),
  };
  const made = await withAdmin(context, config, "keys create", async (admin) =>
    answerOrThrow(await admin.createKey(wanted)),
  );
  if (flags.json) printJson(context, made);
  else printKey(context, made.key);
  return EXIT.good;
}

function printKey({ terminal }: Context, key: string): void {
  terminal.out(`${key}\n`);
  terminal.err("Keep it: it is shown this once, and only a hash of it is stored.\n");
}

function oneOf<T extends string>(known: readonly T[], text: string, flag: string): T {
  const found = known.find((one) => one === text);
  if (found) return found;
  throw new CliError(`${flag} ${JSON.stringify(text)} must be one of ${known.join(", ")}`, { exitCode: EXIT.usage });
}

const rate = (text: string | undefined, flag: string): number | null =>
  text === undefined ? null : wholeNumber(text, flag, 1, MAX_RATE);

/** USD as typed, in µ$. */
function amount(text: string | undefined, flag: string): number | null {
  if (text === undefined) return null;
  const parsed = microUsd(text);
  if (parsed !== undefined) return parsed;
  throw new CliError(`${flag} ${JSON.stringify(text)} is no amount of USD`, {
    exitCode: EXIT.usage,
    hint: "write it like 5 or 2.50",
  });
}

const lifetime = (expires: string | undefined): { expires_in_s?: number } =>
  expires === undefined ? {} : { expires_in_s: durationS(expires, "--expires") };

export async function list(context: Context, options: GlobalOptions, flags: { json?: boolean }): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const { keys } = await withAdmin(context, config, "keys list", async (admin) =>
    answerOrThrow(await admin.listKeys({})),
  );
  if (flags.json) printJson(context, { keys });
  else if (keys.length === 0) context.terminal.err("There are no API keys; `infernet keys create` makes one.\n");
  else {
    const now = context.nowMs();
    const rows = keys.map((key) => [
      key.id,
      key.name,
      key.role,
      [...key.scopes, ...key.models].join(", ") || null,
      limitsOf(key),
      key.pools.join(", ") || null,
      `${key.prefix}…`,
      relativeTime(key.created_ms, now),
      relativeTime(key.last_used_ms, now) ?? "never",
      keyState(key, now),
    ]);
    const head = ["ID", "NAME", "ROLE", "ONLY", "LIMITS", "POOLS", "KEY", "CREATED", "USED", "STATE"];
    context.terminal.out(table(head, rows, context.terminal.colors));
  }
  return EXIT.good;
}

function limitsOf(key: KeyRow): string | null {
  const limits = [
    key.requests_per_minute === null ? [] : `${key.requests_per_minute} rpm`,
    key.tokens_per_minute === null ? [] : `${key.tokens_per_minute} tpm`,
    key.spend_day === null ? [] : `$${usd(key.spend_day)} a day`,
    key.spend_total === null ? [] : `$${usd(key.spend_total)} in all`,
  ];
  return limits.flat().join(", ") || null;
}

function keyState(key: { revoked_ms: number | null; expires_ms: number | null }, nowMs: number): string {
  if (key.revoked_ms !== null) return "revoked";
  if (key.expires_ms === null) return "active";
  return key.expires_ms <= nowMs ? "expired" : `expires ${relativeTime(key.expires_ms, nowMs)}`;
}

/** All as typed. */
export type RotateFlags = { overlap?: string; expires?: string };

/** Prints the new key alone on stdout. */
export async function rotate(
  context: Context,
  options: GlobalOptions,
  id: string,
  flags: RotateFlags & { json?: boolean },
): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const overlap_s = durationS(flags.overlap ?? "24h", "--overlap");
  const made = await withAdmin(context, config, "keys rotate", async (admin) =>
    answerOrThrow(await admin.rotateKey({ id, overlap_s, ...lifetime(flags.expires) })),
  );
  if (flags.json) printJson(context, made);
  else {
    printKey(context, made.key);
    const end = overlap_s === 0 ? "has ended" : `ends ${relativeTime(made.old_expires_ms, context.nowMs())}`;
    context.terminal.err(`The old one, ${harmless(made.old_id)}, ${end}.\n`);
  }
  return EXIT.good;
}

export async function revoke(
  context: Context,
  options: GlobalOptions,
  id: string,
  flags: { json?: boolean },
): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const revoked = await withAdmin(context, config, "keys revoke", async (admin) =>
    answerOrThrow(await admin.revokeKey({ id })),
  );
  if (flags.json) printJson(context, revoked);
  else context.terminal.out(`revoked ${harmless(revoked.id)}\n`);
  return EXIT.good;
}
