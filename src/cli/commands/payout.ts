// infernet payout: has this machine's node paid on the chain. It looks at every receipt before it agrees, follows the
// payment until it is final, and looks at the transaction itself where it is told whom to ask.
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { DataDirectory } from "../../identity/data-dir.ts";
import type { Identity } from "../../identity/keys.ts";
import { readSecretFile, writeSecretFile } from "../../identity/secret-file.ts";
import { startValue } from "../../modes/start-error.ts";
import { signAgreement } from "../../protocol/payout-agreement.ts";
import { checkPayout, type PayoutReceipt } from "../../protocol/payout-check.ts";
import {
  type EarningsJson,
  earningsSchema,
  MAX_RECEIPTS_PAGE,
  type PayoutJson,
  type PreparedJson,
  payoutReceiptsSchema,
  payoutSchema,
  preparedSchema,
} from "../../protocol/payouts.ts";
import { parseAddress } from "../../solana/address.ts";
import { dollars } from "../amounts.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { askCoordinator, type NodeCoordinator, nodeOf } from "../node-coordinators.ts";
import { verifyPayment } from "../verify-payment.ts";

export type PayoutFlags = { json?: boolean; wallet?: string; rpcUrl?: string; wait: boolean };

/** In the data directory: the wallet that its owner named here. What a coordinator says is compared with it. */
const WALLET_FILE = "payout-wallet";
const FOLLOW_EVERY_MS = 1_000;

/** What came of it at one coordinator. */
type Outcome = {
  coordinator: string;
  payouts: PayoutJson[];
  /** Why nothing new was paid. */
  nothing: string | null;
  /** How the payments were looked at: on the chain itself, or only by what the coordinator says. */
  verified: "chain" | "coordinator" | null;
};

export async function payout(context: Context, options: GlobalOptions, flags: PayoutFlags): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const { node, coordinators, dir } = nodeOf(config);
  const outcomes: Outcome[] = [];
  for (const coordinator of coordinators) {
    outcomes.push(await payoutAt({ context, node, coordinator, dir, flags }));
  }
  if (flags.json) printJson(context, { node: node.pubkey, coordinators: outcomes });
  else for (const outcome of outcomes) context.terminal.out(describe(outcome));
  const isShort = outcomes.some(({ payouts }) => payouts.some(({ state }) => state === "stuck"));
  return isShort ? EXIT.failed : EXIT.good;
}

type Here = { context: Context; node: Identity; coordinator: NodeCoordinator; dir: DataDirectory; flags: PayoutFlags };

const ask = <S extends z.ZodType>({ context, node, coordinator }: Here, path: string, body: object, answer: S) =>
  askCoordinator(context, node, coordinator, { path, body, answer });

async function payoutAt(here: Here): Promise<Outcome> {
  const { coordinator, flags } = here;
  const told = await ask(here, "earnings", { days: 1 }, earningsSchema);
  if (!told.on_chain) {
    const nothing =
      "it pays nothing out on a chain: its admin settles earnings outside (`infernet earnings` tells them)";
    return { coordinator: coordinator.url, payouts: [], nothing, verified: null };
  }
  const wallet = await walletFor(here, told);
  const prepared = await ask(here, "payouts/prepare", { wallet }, preparedSchema);
  const agreed: PayoutJson[] = [];
  for (const planned of prepared.planned) agreed.push(await agree(here, prepared, planned, wallet));
  const followed = [...agreed, ...prepared.open.filter(({ state }) => state === "due" || state === "sending")];
  const ended = flags.wait ? await follow(here, prepared, followed, wallet) : followed;
  const stuck = prepared.open.filter(({ state }) => state === "stuck");
  return {
    coordinator: coordinator.url,
    payouts: [...ended, ...stuck],
    nothing: agreed.length > 0 ? null : reasonOf(prepared.nothing),
    verified: ended.some(({ state }) => state === "paid") ? (flags.rpcUrl ? "chain" : "coordinator") : null,
  };
}

function reasonOf(nothing: PreparedJson["nothing"]): string {
  if (nothing?.code === "below_minimum")
    return `${dollars(nothing.unpaid)} are unpaid; it pays out from ${dollars(nothing.minimum)} on`;
  if (nothing?.code === "earlier_waits") return "an earlier payout cannot be sent now; what is unpaid is paid after it";
  if (nothing?.code === "settled_otherwise")
    return "its books say that what is unpaid was settled otherwise; ask its admin";
  return "nothing is unpaid";
}

/** The wallet to be paid, which is set there if it was named now. */
async function walletFor(here: Here, told: EarningsJson): Promise<string> {
  const { dir, flags, coordinator } = here;
  const file = dir.file(WALLET_FILE);
  if (flags.wallet !== undefined) {
    const address = parseAddress(flags.wallet.trim());
    if (!address.ok) {
      const hint = "it is the address of a wallet: 32 bytes in base58";
      throw new CliError(`${JSON.stringify(flags.wallet)} is no Solana address`, { exitCode: EXIT.usage, hint });
    }
    const { coin, network } = told;
    await ask(here, "payouts/set", { coin, network, address: address.value }, z.unknown());
    startValue(writeSecretFile(file, `${address.value}\n`));
    return address.value;
  }
  const kept = readSecretFile(file);
  if (!kept.ok && kept.error.code !== "secret_file_missing") startValue(kept);
  const mine = kept.ok ? kept.value.trim() : null;
  const wallet = mine ?? told.wallet;
  if (wallet === null) {
    const hint = "`infernet payout --wallet ADDRESS` sets it; the private key stays where it is";
    throw new CliError("this node has no wallet to be paid to", { hint });
  }
  if (told.wallet !== wallet) {
    throw new CliError(`the coordinator at ${coordinator.url} would pay ${told.wallet ?? "nobody"}, not ${wallet}`, {
      hint: `if ${wallet} is right, \`infernet payout --wallet ${wallet}\` sets it there`,
    });
  }
  return wallet;
}

/** Looks at all of a payout's receipts, and signs. Throws where anything is wrong: then nothing was agreed to. */
async function agree(here: Here, prepared: PreparedJson, planned: PayoutJson, wallet: string): Promise<PayoutJson> {
  const { context, node, coordinator } = here;
  await checkReceipts(here, prepared, planned, wallet);
  context.terminal.err(
    `Payout ${planned.id.slice(0, 8)}: ${planned.receipts} receipts hold together, ${dollars(planned.node_amount)} to ${wallet}\n`,
  );
  const { id, root } = planned;
  const agreement = { payoutId: id, root, wallet, nodeAmount: BigInt(planned.node_amount) };
  const parties = { coordinator: coordinator.pubkey, node: node.pubkey };
  const sig = signAgreement(node.secretKey, { ...agreement, ...parties });
  return await ask(here, `payouts/${id}/acknowledge`, { sig }, payoutSchema);
}

async function checkReceipts(here: Here, prepared: PreparedJson, told: PayoutJson, wallet: string): Promise<void> {
  const receipts: PayoutReceipt[] = [];
  for (let after = 0; ; ) {
    const body = { after, limit: MAX_RECEIPTS_PAGE };
    const page = await ask(here, `payouts/${told.id}/receipts`, body, payoutReceiptsSchema);
    for (const { seq, bytes, signature } of page.receipts)
      receipts.push({ seq, bytes: fromBase64(bytes), signature: fromBase64(signature) });
    // More than it spoke of is as wrong as fewer, and there might be no end of them.
    if (page.receipts.length < MAX_RECEIPTS_PAGE || receipts.length > told.receipts) break;
    after = page.receipts.at(-1)?.seq ?? after;
  }
  const { node, coordinator } = here;
  const expected = { coordinator: coordinator.pubkey, node: node.pubkey, wallet, receiptKey: prepared.receipt_key };
  const checked = checkPayout(told, receipts, expected);
  if (checked.ok) return;
  throw new CliError(`payout ${told.id} of ${coordinator.url} is not right: ${checked.error}`, {
    hint: "nothing was agreed to; keep this message and ask that coordinator's admin",
  });
}

const fromBase64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"));

/** Until each is final, or waits for a client. What changed on the way, because a client cannot pay, is checked again. */
async function follow(
  here: Here,
  prepared: PreparedJson,
  wanted: readonly PayoutJson[],
  wallet: string,
): Promise<PayoutJson[]> {
  const { terminal } = here.context;
  const ended: PayoutJson[] = [];
  if (wanted.length > 0)
    terminal.err("Until it is final takes about half a minute; it goes on without this command.\n");
  for (const one of wanted) {
    let now = one;
    for (let said = ""; now.state === "due" || now.state === "sending"; ) {
      const line = now.signature === null ? (now.trouble ?? "to be sent") : `sent as ${now.signature}`;
      if (line !== said) terminal.err(`Payout ${now.id.slice(0, 8)}: ${harmless(line, 200)}\n`);
      said = line;
      await sleep(FOLLOW_EVERY_MS);
      now = await ask(here, `payouts/${one.id}/status`, {}, payoutSchema);
    }
    if (now.root !== one.root) await checkReceipts(here, prepared, now, wallet);
    if (now.state === "paid" && here.flags.rpcUrl !== undefined) {
      await verifyPayment({ rpcUrl: here.flags.rpcUrl, genesis: prepared.genesis, mint: prepared.mint }, now);
      terminal.err(`Payout ${now.id.slice(0, 8)}: the chain says so, too\n`);
    }
    ended.push(now);
  }
  return ended;
}

function describe({ coordinator, payouts, nothing, verified }: Outcome): string {
  const lines = payouts.map(lineOf);
  if (nothing !== null)
    lines.push(`nothing ${payouts.length > 0 ? "more " : ""}to pay at ${harmless(coordinator)}: ${nothing}`);
  if (verified === "coordinator")
    lines.push("That is what the coordinator says; with --rpc-url the transaction itself is looked at.");
  return `${lines.join("\n")}\n`;
}

function lineOf({ id, state, node_amount, signature, reason, wallet }: PayoutJson): string {
  const what = `${dollars(node_amount)} to ${wallet}`;
  switch (state) {
    case "paid":
      return `paid ${what}: transaction ${signature ?? "-"} (payout ${id})`;
    case "stuck":
      return `waiting: ${what}, because the client that pays cannot now (${harmless(reason ?? "-")}; payout ${id})`;
    case "written_off":
      return `given up by the coordinator's admin: ${what} (${harmless(reason ?? "-")}; payout ${id})`;
    default:
      return `on its way: ${what} (payout ${id}); \`infernet payout\` follows it`;
  }
}
