// infernet keys create | list | revoke
import { KEY_ROLES } from "../../admin/operations.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { answerOrThrow, withAdmin } from "../instance.ts";
import { relativeTime, table } from "../table.ts";
import { durationS } from "../values.ts";

/** Prints the key alone on stdout, so that a script can take it. */
export async function create(
  context: Context,
  options: GlobalOptions,
  name: string | undefined,
  flags: { json?: boolean; expires?: string; role?: string; pool?: string[] },
): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const role = KEY_ROLES.find((known) => known === (flags.role ?? "client"));
  if (!role)
    throw new CliError(`--role ${JSON.stringify(flags.role)} must be one of ${KEY_ROLES.join(", ")}`, {
      exitCode: EXIT.usage,
    });
  const lifetime = flags.expires === undefined ? {} : { expires_in_s: durationS(flags.expires, "--expires") };
  const made = await withAdmin(context, config, "keys create", async (admin) =>
    answerOrThrow(await admin.createKey({ name: name ?? "default", role, pools: flags.pool ?? [], ...lifetime })),
  );
  if (flags.json) printJson(context, made);
  else {
    context.terminal.out(`${made.key}\n`);
    context.terminal.err("Keep it: it is shown this once, and only a hash of it is stored.\n");
  }
  return EXIT.good;
}

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
      key.pools.join(", ") || "-",
      `${key.prefix}…`,
      relativeTime(key.created_ms, now),
      relativeTime(key.last_used_ms, now) ?? "never",
      keyState(key, now),
    ]);
    context.terminal.out(
      table(["ID", "NAME", "ROLE", "POOLS", "KEY", "CREATED", "USED", "STATE"], rows, context.terminal.colors),
    );
  }
  return EXIT.good;
}

function keyState(key: { revoked_ms: number | null; expires_ms: number | null }, nowMs: number): string {
  if (key.revoked_ms !== null) return "revoked";
  if (key.expires_ms === null) return "active";
  return key.expires_ms <= nowMs ? "expired" : `expires ${relativeTime(key.expires_ms, nowMs)}`;
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
