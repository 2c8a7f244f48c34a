// infernet link-account CODE | unlink-account: to whose account this machine's node belongs. The node signs; its
// coordinators are those of the configuration, never one that a code names.
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Config } from "../../config.ts";
import { type Identity, loadIdentity } from "../../identity/keys.ts";
import { signedFetch } from "../../identity/signed-fetch.ts";
import { checkCoordinatorUrl } from "../../identity/transport-rule.ts";
import { startValue } from "../../modes/start-error.ts";
import { decodeLinkCode, signAccountLink } from "../../protocol/account-link.ts";
import { decodeJoinToken } from "../../protocol/join-token.ts";
import type { Pubkey } from "../../protocol/primitives.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { dataDirectory, runningOwner } from "../instance.ts";

type Coordinator = { url: string; pubkey: Pubkey };
type Json = { json?: boolean };

const linkAnswer = z.object({ data: z.object({ account: z.object({ id: z.string(), name: z.string() }) }) });
const unlinkAnswer = z.object({ data: z.object({ unlinked: z.boolean() }) });
const errorAnswer = z.object({ error: z.string() });

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
  const answer = linkAnswer.parse(await post(context, node, coordinator, "link", { code: code.trim(), sig }));
  const { account } = answer.data;
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
    const answer = unlinkAnswer.parse(await post(context, node, coordinator, "unlink", {}));
    if (answer.data.unlinked) unlinked.push(coordinator.url);
  }
  if (flags.json) printJson(context, { node: node.pubkey, unlinked });
  else if (unlinked.length === 0) context.terminal.out("this node belonged to no account\n");
  else
    for (const url of unlinked) context.terminal.out(`this node belongs to no account at ${harmless(url)} any more\n`);
  return EXIT.good;
}

/** The node of this machine and the coordinators that it dials, each with its pinned key. */
function nodeOf(config: Config): { node: Identity; coordinators: Coordinator[] } {
  const dir = dataDirectory(config);
  const owner = runningOwner(config);
  // The mode may have been a flag of whatever runs now.
  const mode = owner !== null && owner.url !== null ? owner.mode : config.mode;
  if (mode === "coordinator") {
    throw new CliError("there is no node here: this is a coordinator only", {
      hint: "run the command where the node runs",
    });
  }
  const node = startValue(loadIdentity(dir, "node"));
  if (mode === "node") return { node, coordinators: dialled(config) };
  if (owner === null || owner.url === null) {
    throw new CliError("no instance answers here", {
      exitCode: EXIT.unreachable,
      hint: "start it with `infernet start`, then try again",
    });
  }
  return { node, coordinators: [{ url: owner.url, pubkey: startValue(loadIdentity(dir, "coordinator")).pubkey }] };
}

function dialled({ node: { coordinators, join_token: joinToken, insecure } }: Config): Coordinator[] {
  const known: Coordinator[] = [...coordinators];
  const token = joinToken === null ? null : decodeJoinToken(joinToken);
  if (token?.ok && !known.some(({ pubkey }) => pubkey === token.value.coordinator)) {
    known.push({ url: token.value.url, pubkey: token.value.coordinator });
  }
  for (const { url } of known) startValue(checkCoordinatorUrl(url, { insecure }));
  return known;
}

async function post(
  context: Context,
  identity: Identity,
  { url, pubkey }: Coordinator,
  what: "link" | "unlink",
  body: object,
): Promise<unknown> {
  const send = signedFetch({
    identity,
    aud: pubkey,
    clock: { nowMs: context.nowMs },
    random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
    fetch: context.fetch,
    sleep: (ms) => sleep(ms),
  });
  const away = (cause: unknown): never => {
    throw new CliError(`the coordinator at ${url} does not answer`, { exitCode: EXIT.unreachable, cause });
  };
  const address = `${url.replace(/\/+$/, "")}/api/v1/node/account/${what}`;
  const init = { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  const response = await send(address, init).catch(away);
  const answer: unknown = await response.json().catch(away);
  if (response.ok) return answer;
  const said = errorAnswer.safeParse(answer).data?.error ?? `status ${response.status}`;
  const exitCode = response.status === 401 || response.status === 403 ? EXIT.notAllowed : EXIT.failed;
  throw new CliError(`the coordinator at ${url} refused: ${harmless(said)}`, { exitCode });
}
