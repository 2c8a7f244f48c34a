// infernet link-account CODE | unlink-account: to whose account this machine's node belongs. The node signs; its
// coordinators are those of the configuration, never one that a code names.
import { z } from "zod";
import { decodeLinkCode, signAccountLink } from "../../protocol/account-link.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { askCoordinator, nodeOf } from "../node-coordinators.ts";

type Json = { json?: boolean };

const linkAnswer = z.object({ account: z.object({ id: z.string(), name: z.string() }) });
const unlinkAnswer = z.object({ unlinked: z.boolean() });

export async function linkAccount(
  context: Context,
  options: GlobalOptions,
  code: string,
  flags: Json,
): Promise<ExitCode> {
  const challenge = decodeLinkCode(code);
  if (!challenge.ok) {
    throw new CliError("this is no code of an account", {
      exitCode: EXIT.usage,
      hint: "it begins with inflink_ and is made on the account's page at the coordinator",
    });
  }
  const { config } = await requireConfig(context, options);
  const { node, coordinators } = nodeOf(config);
  const coordinator = coordinators.find(({ pubkey }) => pubkey === challenge.value.coordinator);
  if (coordinator === undefined) {
    throw new CliError(`the code is of a coordinator that this node does not dial (${challenge.value.coordinator})`, {
      hint: "`infernet setup --join TOKEN`, with a token of that coordinator, has it do so",
    });
  }
  const sig = signAccountLink(node.secretKey, node.pubkey, challenge.value);
  const body = { code: code.trim(), sig };
  const { account } = await askCoordinator(context, node, coordinator, {
    path: "account/link",
    body,
    answer: linkAnswer,
  });
  if (flags.json) printJson(context, { node: node.pubkey, account, coordinator: coordinator.url });
  else {
    context.terminal.out(
      `this node belongs to ${harmless(account.name)} (${harmless(account.id)}) at ${harmless(coordinator.url)} now\n`,
    );
    context.terminal.err("If that is not your account: `infernet unlink-account`\n");
  }
  return EXIT.good;
}

export async function unlinkAccount(context: Context, options: GlobalOptions, flags: Json): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const { node, coordinators } = nodeOf(config);
  const unlinked: string[] = [];
  for (const coordinator of coordinators) {
    const asked = { path: "account/unlink", body: {}, answer: unlinkAnswer };
    const answer = await askCoordinator(context, node, coordinator, asked);
    if (answer.unlinked) unlinked.push(coordinator.url);
  }
  if (flags.json) printJson(context, { node: node.pubkey, unlinked });
  else if (unlinked.length === 0) context.terminal.out("this node belonged to no account\n");
  else
    for (const url of unlinked) context.terminal.out(`this node belongs to no account at ${harmless(url)} any more\n`);
  return EXIT.good;
}
