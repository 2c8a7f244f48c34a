// infernet stake status | open | deposit | proof | register | release | slash | submit | forget
import type { Admin } from "../../admin/operations.ts";
import type { StakeRowView, ToSignView } from "../../admin/stake-operations.ts";
import type { Address } from "../../solana/chain.ts";
import { amountOf, dollars } from "../amounts.ts";
import { chooseNodes } from "../choose-nodes.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { answerOrThrow, withAdmin } from "../instance.ts";
import { table } from "../table.ts";
import { wholeNumber } from "../values.ts";

type Json = { json?: boolean };
export type ReasonFlags = Json & { reason?: string };
export type RegisterFlags = Json & {
  wallet: string;
  account: string;
  multisig?: string;
  issued?: string;
  signature?: string;
};

/** Runs `act` with the operations and the configuration's instance. */
async function asked<T>(context: Context, options: GlobalOptions, name: string, act: (admin: Admin) => Promise<T>) {
  const { config } = await requireConfig(context, options);
  return withAdmin(context, config, `stake ${name}`, act);
}

const nodeNamed = async (admin: Admin, text: string) => {
  const [node] = await chooseNodes(admin, text);
  if (!node) throw new CliError(`there is no node ${harmless(text, 80)}`);
  return node.pubkey;
};

/** What every node has at stake. */
export async function status(context: Context, options: GlobalOptions, flags: Json): Promise<ExitCode> {
  const found = await asked(context, options, "status", async (admin) => answerOrThrow(await admin.listStakes({})));
  if (flags.json) {
    printJson(context, found);
    return EXIT.good;
  }
  const { stakes, minimum_micro_usd: minimum, settlement, arbiter } = found;
  const rows = stakes.map((one) => [one.node.slice(0, 16), one.kind, stood(one), one.wallet, one.token_account]);
  if (rows.length > 0)
    context.terminal.out(table(["NODE", "KIND", "AT STAKE", "WALLET", "TOKEN ACCOUNT"], rows, context.terminal.colors));
  context.terminal.err(
    `A node needs ${dollars(minimum)} at stake. Pledges approve ${settlement}; the arbiter is ${arbiter ?? "not set"}.\n`,
  );
  return EXIT.good;
}

const stood = ({ amount_micro_usd: amount, unspendable }: StakeRowView): string =>
  unspendable === null ? dollars(amount) : `nothing: ${unspendable.replace("_", " ")}`;

/** A transaction for others to sign. */
function printToSign(context: Context, flags: Json, sign: ToSignView): ExitCode {
  if (flags.json) printJson(context, sign);
  else {
    context.terminal.out(`${sign.transaction}\n`);
    const accounts = [
      ...(sign.token_account === null ? [] : [`token account ${sign.token_account}`]),
      ...(sign.multisig === null ? [] : [`multisig ${sign.multisig}`]),
    ];
    if (accounts.length > 0) context.terminal.err(`It makes ${accounts.join(" and ")}.\n`);
    context.terminal.err(
      `To be signed by ${sign.missing.join(" and ")} within about a minute; then \`infernet stake submit\` sends it, or the wallet does.\n`,
    );
  }
  return EXIT.good;
}

/** The first step: an account of the wallet's for a pledge, or one that two of three sign for. */
export async function open(
  context: Context,
  options: GlobalOptions,
  [kind, wallet, usd]: readonly [string, string, string | undefined],
  flags: Json,
): Promise<ExitCode> {
  if (kind !== "pledge" && kind !== "multisig")
    throw new CliError(`${JSON.stringify(kind)} must be pledge or multisig`, { exitCode: EXIT.usage });
  const amount = usd === undefined ? {} : { amount_micro_usd: amountOf(usd) };
  const sign = await asked(context, options, "open", async (admin) =>
    answerOrThrow(await admin.openStake({ kind, wallet: wallet as Address, ...amount })),
  );
  return printToSign(context, flags, sign);
}

export async function deposit(
  context: Context,
  options: GlobalOptions,
  [node, usd]: readonly [string, string],
  flags: Json,
): Promise<ExitCode> {
  const sign = await asked(context, options, "deposit", async (admin) =>
    answerOrThrow(await admin.depositStake({ pubkey: await nodeNamed(admin, node), amount_micro_usd: amountOf(usd) })),
  );
  return printToSign(context, flags, sign);
}

/** The text that the wallet signs as a message. */
export async function proof(
  context: Context,
  options: GlobalOptions,
  node: string,
  flags: Pick<RegisterFlags, "json" | "wallet" | "account">,
): Promise<ExitCode> {
  const made = await asked(context, options, "proof", async (admin) => {
    const stake = { wallet: flags.wallet as Address, token_account: flags.account as Address };
    return answerOrThrow(await admin.proveStake({ pubkey: await nodeNamed(admin, node), ...stake }));
  });
  if (flags.json) printJson(context, made);
  else {
    context.terminal.out(`${made.text}\n`);
    context.terminal.err(`Register it with --issued ${made.issued_ms} and --signature within ten minutes.\n`);
  }
  return EXIT.good;
}

export async function register(
  context: Context,
  options: GlobalOptions,
  node: string,
  flags: RegisterFlags,
): Promise<ExitCode> {
  const row = await asked(context, options, "register", async (admin) =>
    answerOrThrow(
      await admin.registerStake({
        pubkey: await nodeNamed(admin, node),
        wallet: flags.wallet as Address,
        token_account: flags.account as Address,
        ...(flags.multisig === undefined ? {} : { multisig: flags.multisig as Address }),
        ...(flags.issued === undefined
          ? {}
          : { issued_ms: wholeNumber(flags.issued, "--issued", 0, Number.MAX_SAFE_INTEGER) }),
        ...(flags.signature === undefined ? {} : { signature: flags.signature }),
      }),
    ),
  );
  if (flags.json) printJson(context, row);
  else context.terminal.out(`${row.kind} of ${row.node.slice(0, 16)}: ${stood(row)}\n`);
  return EXIT.good;
}

function reasonOf({ reason = "" }: ReasonFlags): string {
  if (reason.trim() !== "") return reason;
  throw new CliError("--reason is needed: it stands in the audit log", { exitCode: EXIT.usage });
}

export async function release(
  context: Context,
  options: GlobalOptions,
  [node, usd]: readonly [string, string],
  flags: ReasonFlags,
): Promise<ExitCode> {
  const wanted = { amount_micro_usd: amountOf(usd), reason: reasonOf(flags) };
  const sign = await asked(context, options, "release", async (admin) =>
    answerOrThrow(await admin.releaseStake({ pubkey: await nodeNamed(admin, node), ...wanted })),
  );
  return printToSign(context, flags, sign);
}

/** Of a pledge at once; of an enforceable stake once the arbiter has signed. */
export async function slash(
  context: Context,
  options: GlobalOptions,
  [node, usd]: readonly [string, string],
  flags: ReasonFlags,
): Promise<ExitCode> {
  const wanted = { amount_micro_usd: amountOf(usd), reason: reasonOf(flags) };
  const slashed = await asked(context, options, "slash", async (admin) =>
    answerOrThrow(await admin.slashStake({ pubkey: await nodeNamed(admin, node), ...wanted })),
  );
  if (slashed.sign !== null) return printToSign(context, flags, slashed.sign);
  if (flags.json) printJson(context, slashed);
  else context.terminal.out(`${slashed.id}: on its way; the books and the audit log tell once it is final\n`);
  return EXIT.good;
}

export async function submit(
  context: Context,
  options: GlobalOptions,
  transaction: string,
  flags: Json,
): Promise<ExitCode> {
  const sent = await asked(context, options, "submit", async (admin) =>
    answerOrThrow(await admin.submitStake({ transaction })),
  );
  if (flags.json) printJson(context, sent);
  else context.terminal.out(`${sent.signature}\n`);
  return EXIT.good;
}

export async function forget(context: Context, options: GlobalOptions, node: string, flags: Json): Promise<ExitCode> {
  const gone = await asked(context, options, "forget", async (admin) =>
    answerOrThrow(await admin.forgetStake({ pubkey: await nodeNamed(admin, node) })),
  );
  if (flags.json) printJson(context, gone);
  else context.terminal.out(`${gone.pubkey.slice(0, 16)} has no stake here any more\n`);
  return EXIT.good;
}
