// infernet organisations list | members | set-member | remove-member
import { MEMBER_ROLES } from "../../accounts/roles.ts";
import type { Admin } from "../../admin/operations.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { answerOrThrow, withAdmin } from "../instance.ts";
import { relativeTime, table } from "../table.ts";

type Json = { json?: boolean };

async function ask<T>(
  context: Context,
  options: GlobalOptions,
  command: string,
  act: (admin: Admin) => Promise<T>,
): Promise<T> {
  const { config } = await requireConfig(context, options);
  return await withAdmin(context, config, `organisations ${command}`, act);
}

export async function list(context: Context, options: GlobalOptions, flags: Json): Promise<ExitCode> {
  const { organisations } = await ask(context, options, "list", async (admin) =>
    answerOrThrow(await admin.listOrganisations({})),
  );
  if (flags.json) printJson(context, { organisations });
  else if (organisations.length === 0) context.terminal.err("There are no organisations.\n");
  else {
    const rows = organisations.map(({ id, name, members, created_ms }) => [
      id,
      name,
      `${members}`,
      relativeTime(created_ms, context.nowMs()),
    ]);
    context.terminal.out(table(["ID", "NAME", "MEMBERS", "CREATED"], rows, context.terminal.colors));
  }
  return EXIT.good;
}

export async function members(
  context: Context,
  options: GlobalOptions,
  organisation: string,
  flags: Json,
): Promise<ExitCode> {
  const answer = await ask(context, options, "members", async (admin) =>
    answerOrThrow(await admin.listMembers({ organisation })),
  );
  if (flags.json) printJson(context, { members: answer.members });
  else {
    const rows = answer.members.map(({ user, email, name, role }) => [user, email, name, role]);
    context.terminal.out(table(["USER", "EMAIL", "NAME", "ROLE"], rows, context.terminal.colors));
  }
  return EXIT.good;
}

/** `role` null: takes them out. */
export async function setMember(
  context: Context,
  options: GlobalOptions,
  { organisation, user, role: given }: { organisation: string; user: string; role: string | null },
  flags: Json,
): Promise<ExitCode> {
  const role = given === null ? null : MEMBER_ROLES.find((known) => known === given);
  if (role === undefined) {
    throw new CliError(`role ${JSON.stringify(given)} must be owner or member`, { exitCode: EXIT.usage });
  }
  const command = role === null ? "remove-member" : "set-member";
  const set = await ask(context, options, command, async (admin) =>
    answerOrThrow(await admin.setMember({ organisation, user, role })),
  );
  const words = role === null ? "is no member any more" : `is ${role} now`;
  if (flags.json) printJson(context, set);
  else context.terminal.out(`${harmless(user)} ${words}\n`);
  return EXIT.good;
}
