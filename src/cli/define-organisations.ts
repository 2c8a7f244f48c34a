// Commands about organisations: which there are, and who is in them.
import type { Command } from "commander";
import type { Attach } from "./program.ts";

type Json = { json?: boolean };
const JSON_FLAG = ["--json", "print JSON"] as const;

export function defineOrganisations(program: Command, attach: Attach): void {
  const load = () => import("./commands/organisations.ts");
  const organisations = program.command("organisations").description("accounts that several people act for");
  organisations
    .command("list")
    .description("list them")
    .option(...JSON_FLAG)
    .action(attach(async (context, options, flags: Json) => (await load()).list(context, options, flags)));
  organisations
    .command("members")
    .description("list who is in one; `users invite --organisation` brings others in")
    .argument("<organisation>", "its id")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, organisation: string, flags: Json) =>
        (await load()).members(context, options, organisation, flags),
      ),
    );
  organisations
    .command("set-member")
    .description("make a member an owner, or an owner a member")
    .argument("<organisation>", "its id")
    .argument("<user>", "their address or id")
    .argument("<role>", "owner or member")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, organisation: string, user: string, role: string, flags: Json) =>
        (await load()).setMember(context, options, { organisation, user, role }, flags),
      ),
    );
  organisations
    .command("remove-member")
    .description("take somebody out of one")
    .argument("<organisation>", "its id")
    .argument("<user>", "their address or id")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, organisation: string, user: string, flags: Json) =>
        (await load()).setMember(context, options, { organisation, user, role: null }, flags),
      ),
    );
}
