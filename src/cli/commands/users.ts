// infernet users create | list | show | sign-out | reset-password | roles | disable | enable | invite | invitations | uninvite | setup-link
import { USER_ROLES, type UserRole } from "../../accounts/roles.ts";
import type { Admin } from "../../admin/operations.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { answerOrThrow, withAdmin } from "../instance.ts";
import { relativeTime, table } from "../table.ts";
import { durationS } from "../values.ts";

type Json = { json?: boolean };

async function ask<T>(
  context: Context,
  options: GlobalOptions,
  command: string,
  act: (admin: Admin) => Promise<T>,
): Promise<T> {
  const { config } = await requireConfig(context, options);
  return await withAdmin(context, config, `users ${command}`, act);
}

function rolesOf(given: readonly string[]): UserRole[] {
  return given.map((text) => {
    const role = USER_ROLES.find((known) => known === text);
    if (role) return role;
    throw new CliError(`role ${JSON.stringify(text)} must be one of ${USER_ROLES.join(", ")}`, {
      exitCode: EXIT.usage,
    });
  });
}

/** Prints the link alone on stdout, so that a script can take it. */
function printLink(
  context: Context,
  made: { link: string; expires_ms: number },
  { json }: Json,
  what: string,
): ExitCode {
  if (json) printJson(context, made);
  else {
    context.terminal.out(`${harmless(made.link, 2_048)}\n`);
    const until = relativeTime(made.expires_ms, context.nowMs());
    context.terminal.err(`${what} It works once, ${until} at the latest, and is shown this once.\n`);
  }
  return EXIT.good;
}

export async function create(
  context: Context,
  options: GlobalOptions,
  email: string,
  flags: Json & { name?: string; role?: string[]; expires: string },
): Promise<ExitCode> {
  const roles = flags.role === undefined ? {} : { roles: rolesOf(flags.role) };
  const name = flags.name === undefined ? {} : { name: flags.name };
  const input = { email, ...name, ...roles, expires_in_s: durationS(flags.expires, "--expires") };
  const made = await ask(context, options, "create", async (admin) => answerOrThrow(await admin.createUser(input)));
  return printLink(context, made, flags, "They set a password by this link.");
}

export async function list(context: Context, options: GlobalOptions, flags: Json): Promise<ExitCode> {
  const { users } = await ask(context, options, "list", async (admin) => answerOrThrow(await admin.listUsers({})));
  if (flags.json) printJson(context, { users });
  else if (users.length === 0) {
    context.terminal.err(
      "There are no users; `infernet users setup-link` prints the link that makes the first admin.\n",
    );
  } else {
    const now = context.nowMs();
    const rows = users.map((user) => [
      user.id,
      user.email,
      user.name,
      user.roles.join(", "),
      relativeTime(user.created_ms, now),
      relativeTime(user.last_login_ms, now) ?? "never",
      user.disabled_ms === null ? "active" : "disabled",
    ]);
    const head = ["ID", "EMAIL", "NAME", "ROLES", "CREATED", "SIGNED IN", "STATE"];
    context.terminal.out(table(head, rows, context.terminal.colors));
  }
  return EXIT.good;
}

export async function show(context: Context, options: GlobalOptions, user: string, flags: Json): Promise<ExitCode> {
  const row = await ask(context, options, "show", async (admin) => answerOrThrow(await admin.showUser({ user })));
  if (flags.json) printJson(context, row);
  else {
    const { out, colors } = context.terminal;
    const now = context.nowMs();
    out(`${harmless(row.email)} (${harmless(row.name)}), ${row.disabled_ms === null ? "active" : "disabled"}\n\n`);
    const accounts = row.accounts.map((account) => [account.id, account.name, account.role]);
    out(table(["ACCOUNT", "NAME", "ROLE"], accounts, colors));
    const sessions = row.sessions.map((session) => [
      session.id,
      session.address,
      session.user_agent,
      relativeTime(session.last_seen_ms, now),
    ]);
    if (sessions.length > 0) out(`\n${table(["SESSION", "FROM", "BROWSER", "LAST SEEN"], sessions, colors)}`);
  }
  return EXIT.good;
}

export async function signOut(
  context: Context,
  options: GlobalOptions,
  { user, session }: { user: string; session: string | undefined },
  flags: Json,
): Promise<ExitCode> {
  const input = session === undefined ? { user } : { user, session };
  const answer = await ask(context, options, "sign-out", async (admin) =>
    answerOrThrow(await admin.endSessions(input)),
  );
  if (flags.json) printJson(context, answer);
  else context.terminal.out(`${answer.ended} session${answer.ended === 1 ? "" : "s"} ended\n`);
  return EXIT.good;
}

export async function resetPassword(
  context: Context,
  options: GlobalOptions,
  user: string,
  flags: Json & { expires: string },
): Promise<ExitCode> {
  const input = { user, expires_in_s: durationS(flags.expires, "--expires") };
  const made = await ask(context, options, "reset-password", async (admin) =>
    answerOrThrow(await admin.resetPassword(input)),
  );
  return printLink(context, made, flags, "They set a new password by this link.");
}

export async function roles(
  context: Context,
  options: GlobalOptions,
  user: string,
  given: string[],
  flags: Json,
): Promise<ExitCode> {
  const input = { user, roles: rolesOf(given) };
  const row = await ask(context, options, "roles", async (admin) => answerOrThrow(await admin.setUserRoles(input)));
  if (flags.json) printJson(context, row);
  else context.terminal.out(`${harmless(row.email)} has the roles ${row.roles.join(", ")}\n`);
  return EXIT.good;
}

export async function disable(
  context: Context,
  options: GlobalOptions,
  input: { user: string; disabled: boolean },
  flags: Json,
): Promise<ExitCode> {
  const row = await ask(context, options, "disable", async (admin) =>
    answerOrThrow(await admin.setUserDisabled(input)),
  );
  if (flags.json) printJson(context, row);
  else context.terminal.out(`${harmless(row.email)} is ${input.disabled ? "disabled" : "enabled"}\n`);
  return EXIT.good;
}

export async function invite(
  context: Context,
  options: GlobalOptions,
  {
    email,
    role,
    organisation,
    expires,
    ...flags
  }: Json & {
    email?: string;
    role?: string[];
    organisation?: string;
    expires: string;
  },
): Promise<ExitCode> {
  const input = {
    ...(role === undefined ? {} : { roles: rolesOf(role) }),
    ...(email === undefined ? {} : { email }),
    ...(organisation === undefined ? {} : { organisation }),
    expires_in_s: durationS(expires, "--expires"),
  };
  const made = await ask(context, options, "invite", async (admin) =>
    answerOrThrow(await admin.createInvitation(input)),
  );
  return printLink(context, made, flags, "Somebody signs up by this link.");
}

export async function invitations(context: Context, options: GlobalOptions, flags: Json): Promise<ExitCode> {
  const answer = await ask(context, options, "invitations", async (admin) =>
    answerOrThrow(await admin.listInvitations({})),
  );
  if (flags.json) printJson(context, answer);
  else if (answer.invitations.length === 0) context.terminal.err("There are no invitations.\n");
  else {
    const now = context.nowMs();
    const rows = answer.invitations.map((row) => [
      row.id,
      row.email ?? "anybody",
      row.roles?.join(", ") ?? null,
      row.organisation,
      relativeTime(row.created_ms, now),
      row.state,
    ]);
    const head = ["ID", "FOR", "ROLES", "ORGANISATION", "CREATED", "STATE"];
    context.terminal.out(table(head, rows, context.terminal.colors));
  }
  return EXIT.good;
}

export async function uninvite(context: Context, options: GlobalOptions, id: string, flags: Json): Promise<ExitCode> {
  const ended = await ask(context, options, "uninvite", async (admin) =>
    answerOrThrow(await admin.revokeInvitation({ id })),
  );
  if (flags.json) printJson(context, ended);
  else context.terminal.out(`ended ${harmless(ended.id)}\n`);
  return EXIT.good;
}

export async function setupLink(context: Context, options: GlobalOptions, flags: Json): Promise<ExitCode> {
  const made = await ask(context, options, "setup-link", async (admin) =>
    answerOrThrow(await admin.createSetupLink({})),
  );
  return printLink(context, made, flags, "Whoever opens it becomes the first admin.");
}
