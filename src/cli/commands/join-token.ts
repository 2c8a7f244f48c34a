// infernet join-token create | list | revoke
import { NODE_ROLES } from "../../admin/operations.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { answerOrThrow, withAdmin } from "../instance.ts";
import { relativeTime, table } from "../table.ts";
import { durationS } from "../values.ts";

/** Prints the token alone on stdout; what to do with it on stderr. */
export async function create(
  context: Context,
  options: GlobalOptions,
  flags: { json?: boolean; role: string; expires: string; url?: string },
): Promise<ExitCode> {
  const role = NODE_ROLES.find((known) => known === flags.role);
  if (!role)
    throw new CliError(`--role ${JSON.stringify(flags.role)} must be one of ${NODE_ROLES.join(", ")}`, {
      exitCode: EXIT.usage,
    });
  const { config } = await requireConfig(context, options);
  const input = { role, expires_in_s: durationS(flags.expires, "--expires"), ...(flags.url ? { url: flags.url } : {}) };
  const made = await withAdmin(context, config, "join-token create", async (admin) =>
    answerOrThrow(await admin.createJoinToken(input)),
  );
  if (flags.json) printJson(context, made);
  else {
    context.terminal.out(`${made.token}\n`);
    context.terminal.err(
      `It lets one ${role} in at ${harmless(made.url)}, ${relativeTime(made.expires_ms, context.nowMs())} at the latest.\n` +
        `On the other machine: ${role === "client" ? CLIENT_USE : "infernet setup --join TOKEN"}\n`,
    );
    if (isLoopback(made.url)) {
      context.terminal.err(
        "infernet: warning: other machines cannot reach that address; set [server] host and public_url, or give --url\n",
      );
    }
  }
  return EXIT.good;
}

/** Its node asks this coordinator for models, and serves them to its own. */
const CLIENT_USE = 'in [[node.backends]] of config.toml: kind = "infernet", join_token = "TOKEN"';

const isLoopback = (url: string): boolean => /^https?:\/\/(localhost|127\.|\[::1\])/.test(url);

export async function list(context: Context, options: GlobalOptions, flags: { json?: boolean }): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const { tokens } = await withAdmin(context, config, "join-token list", async (admin) =>
    answerOrThrow(await admin.listJoinTokens({})),
  );
  if (flags.json) printJson(context, { tokens });
  else if (tokens.length === 0)
    context.terminal.err("There are no join tokens; `infernet join-token create` makes one.\n");
  else {
    const now = context.nowMs();
    const rows = tokens.map(({ id, role, state, created_ms, expires_ms, used_by }) => [
      id,
      role,
      state,
      relativeTime(created_ms, now),
      relativeTime(expires_ms, now),
      used_by?.slice(0, 16) ?? null,
    ]);
    const head = ["ID", "ROLE", "STATE", "CREATED", "EXPIRES", "USED BY"];
    context.terminal.out(table(head, rows, context.terminal.colors));
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
  const revoked = await withAdmin(context, config, "join-token revoke", async (admin) =>
    answerOrThrow(await admin.revokeJoinToken({ id })),
  );
  if (flags.json) printJson(context, revoked);
  else context.terminal.out(`revoked ${harmless(revoked.id)}\n`);
  return EXIT.good;
}
