// Commands about people: who may come in, and to whose account a node belongs.
import type { Command } from "commander";
import type { Attach } from "./program.ts";

type Json = { json?: boolean };
const JSON_FLAG = ["--json", "print JSON"] as const;
const collect = (value: string, before: string[] = []): string[] => [...before, value];

export function defineUsers(program: Command, attach: Attach): void {
  const load = () => import("./commands/users.ts");
  const users = program.command("users").description("the people who may sign in");
  users
    .command("create")
    .description("make one, and print the link by which they set a password")
    .argument("<email>")
    .option("--name <name>", "what they are called; left out: the address")
    .option("--role <role>", "admin, operator or client; may be repeated; left out: client", collect)
    .option("--expires <time>", "for how long the link is good", "24h")
    .option(...JSON_FLAG)
    .action(
      attach(
        async (context, options, email: string, flags: Json & { name?: string; role?: string[]; expires: string }) =>
          (await load()).create(context, options, email, flags),
      ),
    );
  users
    .command("list")
    .description("list them")
    .option(...JSON_FLAG)
    .action(attach(async (context, options, flags: Json) => (await load()).list(context, options, flags)));
  users
    .command("show")
    .description("show one: their accounts, and where they are signed in")
    .argument("<user>", "their address or id")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, user: string, flags: Json) => (await load()).show(context, options, user, flags)),
    );
  users
    .command("sign-out")
    .description("end one's sessions, or one of them")
    .argument("<user>", "their address or id")
    .argument("[session]", "its id, as `users show` has it")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, user: string, session: string | undefined, flags: Json) =>
        (await load()).signOut(context, options, { user, session }, flags),
      ),
    );
  users
    .command("reset-password")
    .description("print a link by which one sets a new password; the old one works until then")
    .argument("<user>", "their address or id")
    .option("--expires <time>", "for how long it is good", "1h")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, user: string, flags: Json & { expires: string }) =>
        (await load()).resetPassword(context, options, user, flags),
      ),
    );
  users
    .command("roles")
    .description("give one these roles and no others; they sign in again")
    .argument("<user>", "their address or id")
    .argument("<roles...>", "admin, operator, client")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, user: string, roles: string[], flags: Json) =>
        (await load()).roles(context, options, user, roles, flags),
      ),
    );
  for (const name of ["disable", "enable"] as const) {
    users
      .command(name)
      .description(name === "disable" ? "shut one out at once" : "let one in again")
      .argument("<user>", "their address or id")
      .option(...JSON_FLAG)
      .action(
        attach(async (context, options, user: string, flags: Json) =>
          (await load()).disable(context, options, { user, disabled: name === "disable" }, flags),
        ),
      );
  }
  defineInvitations(users, attach);
  users
    .command("setup-link")
    .description("print a new link that makes the first admin; the one before is good no more")
    .option(...JSON_FLAG)
    .action(attach(async (context, options, flags: Json) => (await load()).setupLink(context, options, flags)));
  defineLinkAccount(program, attach);
}

function defineInvitations(users: Command, attach: Attach): void {
  const load = () => import("./commands/users.ts");
  users
    .command("invite")
    .description("print a single-use link by which somebody signs up")
    .option("--email <email>", "for this address only")
    .option("--role <role>", "what they may do: admin, operator or client; may be repeated; left out: client", collect)
    .option("--organisation <id>", "the organisation they join")
    .option("--expires <time>", "for how long it is good", "7d")
    .option(...JSON_FLAG)
    .action(
      attach(
        async (
          context,
          options,
          flags: Json & { email?: string; role?: string[]; organisation?: string; expires: string },
        ) => (await load()).invite(context, options, flags),
      ),
    );
  users
    .command("invitations")
    .description("list the invitations")
    .option(...JSON_FLAG)
    .action(attach(async (context, options, flags: Json) => (await load()).invitations(context, options, flags)));
  users
    .command("uninvite")
    .description("end an invitation before it is used")
    .argument("<id>")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, id: string, flags: Json) => (await load()).uninvite(context, options, id, flags)),
    );
}

function defineLinkAccount(program: Command, attach: Attach): void {
  const load = () => import("./commands/link-account.ts");
  program
    .command("link-account")
    .description("say that this node belongs to an account at its coordinator")
    .argument("<code>", "from the account's page there")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, code: string, flags: Json) =>
        (await load()).linkAccount(context, options, code, flags),
      ),
    );
  program
    .command("unlink-account")
    .description("say that this node belongs to no account any more, at all its coordinators")
    .option(...JSON_FLAG)
    .action(attach(async (context, options, flags: Json) => (await load()).unlinkAccount(context, options, flags)));
}
