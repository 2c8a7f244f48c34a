// Node payout: a node has itself paid on the chain: says where, looks at every receipt before it agrees, and follows the
// payment until it is final. The command and the node's own dashboard do it by this.
import { z } from "zod";
import type { DataDirectory } from "../identity/data-dir.ts";
import { readSecretFile, writeSecretFile } from "../identity/secret-file.ts";
import { err, type Result } from "../lib/result.ts";
import { signAgreement } from "../protocol/payout-agreement.ts";
import { checkPayout, type PayoutReceipt } from "../protocol/payout-check.ts";
import {
  type EarningsJson,
  earningsSchema,
  MAX_RECEIPTS_PAGE,
  type PayoutJson,
  type PreparedJson,
  payoutReceiptsSchema,
  payoutSchema,
  preparedSchema,
} from "../protocol/payouts.ts";
import { parseAddress } from "../solana/address.ts";
import type { Address } from "../solana/chain.ts";
import { type AskDeps, type Asked, askCoordinator, type NodeCoordinator, NodeError } from "./ask-coordinator.ts";
import { startValue } from "./start-error.ts";

/** In the data directory: the wallet that its owner named here. What a coordinator says is compared with it. */
const WALLET_FILE = "payout-wallet";
const FOLLOW_EVERY_MS = 1_000;

export type PayoutStep =
  /** Its receipts hold together: the node agreed. */
  | { step: "agreed"; payout: PayoutJson }
  | { step: "following" }
  /** Something about it is new. */
  | { step: "seen"; payout: PayoutJson }
  /** The chain itself says so. */
  | { step: "verified"; payout: PayoutJson };

export type PayoutDeps = AskDeps & {
  dir: Pick<DataDirectory, "file">;
  /** Told as it goes on. */
  tell(step: PayoutStep): void;
  /** Looks at a payment on the chain, throws where that is not there; null: the coordinator's word is taken. */
  verify: ((prepared: PreparedJson, payout: PayoutJson) => Promise<void>) | null;
  /** How long a payment is followed. */
  followMs: number;
};

/** What came of it at one coordinator. */
export type PayoutOutcome = {
  coordinator: string;
  payouts: PayoutJson[];
  /** Why nothing new was paid. */
  nothing: "not_on_chain" | NonNullable<PreparedJson["nothing"]> | null;
  /** How the payments were looked at: on the chain itself, or only by what the coordinator says. */
  verified: "chain" | "coordinator" | null;
};

type Here = { deps: PayoutDeps; coordinator: NodeCoordinator };

const ask = <S extends z.ZodType>({ deps, coordinator }: Here, asked: Asked<S>) =>
  askCoordinator(deps, coordinator, asked);

/** What it earned there, and where it is paid. */
export const earningsAt = (deps: AskDeps, coordinator: NodeCoordinator, days: number): Promise<EarningsJson> =>
  askCoordinator(deps, coordinator, { path: "earnings", body: { days }, answer: earningsSchema });

/**
 * The address of a wallet as somebody typed it. One without a private key is most often a token account that was taken
 * for its wallet: it has to be meant (`offCurve`).
 */
export async function walletAddress(
  text: string,
  { offCurve }: { offCurve: boolean },
): Promise<Result<Address, "not_an_address" | "off_curve">> {
  const address = parseAddress(text.trim());
  if (!address.ok || offCurve) return address;
  // Only here, so that nobody else pays for loading it.
  const { mayHaveKey } = await import("../solana/curve.ts");
  return mayHaveKey(address.value) ? address : err("off_curve");
}

/** The wallet that was named on this machine; null where none was. */
export function keptWallet(dir: Pick<DataDirectory, "file">): string | null {
  const kept = readSecretFile(dir.file(WALLET_FILE));
  if (kept.ok) return kept.value.trim();
  if (kept.error.code !== "secret_file_missing") startValue(kept);
  return null;
}

/** Has what is earned there paid to it from now on, signed with the node's key; and keeps it here. */
export async function setWallet(
  deps: AskDeps & Pick<PayoutDeps, "dir">,
  coordinator: NodeCoordinator,
  { coin, network }: Pick<EarningsJson, "coin" | "network">,
  address: Address,
): Promise<void> {
  await askCoordinator(deps, coordinator, {
    path: "payouts/set",
    body: { coin, network, address },
    answer: z.unknown(),
  });
  startValue(writeSecretFile(deps.dir.file(WALLET_FILE), `${address}\n`));
}

/**
 * Has what is unpaid there paid, to `wallet` from now on where one is named. `wait`: until it is final. Throws a NodeError
 * where the coordinator does not answer, refuses, or is not right: what was agreed to before goes on.
 */
export async function payoutAt(
  deps: PayoutDeps,
  coordinator: NodeCoordinator,
  { wallet: named, wait }: { wallet: Address | null; wait: boolean },
): Promise<PayoutOutcome> {
  const here = { deps, coordinator };
  const told = await earningsAt(deps, coordinator, 1);
  if (!told.on_chain) {
    return { coordinator: coordinator.url, payouts: [], nothing: "not_on_chain", verified: null };
  }
  if (named !== null) await setWallet(deps, coordinator, told, named);
  const wallet = named ?? walletFor(here, told);
  const prepared = await ask(here, { path: "payouts/prepare", body: { wallet }, answer: preparedSchema });
  const agreed: PayoutJson[] = [];
  for (const planned of prepared.planned) agreed.push(await agree(here, prepared, planned, wallet));
  const followed = [...agreed, ...prepared.open.filter(isUnderWay)];
  const ended = wait ? await follow(here, prepared, followed, wallet) : followed;
  const stuck = prepared.open.filter(({ state }) => state === "stuck");
  return {
    coordinator: coordinator.url,
    payouts: [...ended, ...stuck],
    nothing: agreed.length > 0 ? null : (prepared.nothing ?? NOTHING_UNPAID),
    verified: ended.some(({ state }) => state === "paid") ? (deps.verify ? "chain" : "coordinator") : null,
  };
}
const NOTHING_UNPAID = { code: "nothing_unpaid", unpaid: 0, minimum: 0 } as const;
const isUnderWay = ({ state }: PayoutJson): boolean => state === "due" || state === "sending";

/** The wallet to be paid, which has to be set there. A coordinator's word for it is none: it could name its own. */
function walletFor({ deps, coordinator }: Here, told: EarningsJson): string {
  const wallet = keptWallet(deps.dir);
  if (wallet === null) {
    const would = told.wallet === null ? "" : `; the coordinator at ${coordinator.url} would pay ${told.wallet}`;
    const hint = "`infernet payout --wallet ADDRESS` sets it; the private key stays where it is";
    throw new NodeError("invalid", `no wallet to be paid to was named on this machine${would}`, { hint });
  }
  if (told.wallet !== wallet) {
    const would = `the coordinator at ${coordinator.url} would pay ${told.wallet ?? "nobody"}, not ${wallet}`;
    throw new NodeError("not_right", would, {
      hint: `if ${wallet} is right, \`infernet payout --wallet ${wallet}\` sets it there`,
    });
  }
  return wallet;
}

/** Looks at all of a payout's receipts, and signs. Throws where anything is wrong: then nothing was agreed to. */
async function agree(here: Here, prepared: PreparedJson, planned: PayoutJson, wallet: string): Promise<PayoutJson> {
  const { deps, coordinator } = here;
  const receipts = await receiptsOf(here, planned);
  // Whoever set another address meanwhile was told that it counts from then on.
  if (keptWallet(deps.dir) !== wallet) {
    const hint = "nothing more was agreed to; ask again";
    throw new NodeError("invalid", `another address than ${wallet} was set meanwhile`, { hint });
  }
  checkReceipts(here, prepared, planned, { receipts, wallet });
  deps.tell({ step: "agreed", payout: planned });
  const { id, root } = planned;
  const agreement = { payoutId: id, root, wallet, nodeAmount: BigInt(planned.node_amount) };
  const parties = { coordinator: coordinator.pubkey, node: deps.identity.pubkey };
  const sig = signAgreement(deps.identity.secretKey, { ...agreement, ...parties });
  return await ask(here, { path: `payouts/${id}/acknowledge`, body: { sig }, answer: payoutSchema });
}

async function receiptsOf(here: Here, told: PayoutJson): Promise<PayoutReceipt[]> {
  const receipts: PayoutReceipt[] = [];
  for (let after = 0; ; ) {
    const body = { after, limit: MAX_RECEIPTS_PAGE };
    const page = await ask(here, { path: `payouts/${told.id}/receipts`, body, answer: payoutReceiptsSchema });
    for (const { seq, bytes, signature } of page.receipts)
      receipts.push({ seq, bytes: fromBase64(bytes), signature: fromBase64(signature) });
    // More than it spoke of is as wrong as fewer, and there might be no end of them.
    if (page.receipts.length < MAX_RECEIPTS_PAGE || receipts.length > told.receipts) return receipts;
    after = page.receipts.at(-1)?.seq ?? after;
  }
}

function checkReceipts(
  { deps, coordinator }: Here,
  prepared: PreparedJson,
  told: PayoutJson,
  { receipts, wallet }: { receipts: readonly PayoutReceipt[]; wallet: string },
): void {
  const expected = {
    ...{ coordinator: coordinator.pubkey, node: deps.identity.pubkey, wallet },
    receiptKey: prepared.receipt_key,
  };
  const checked = checkPayout(told, receipts, expected);
  if (checked.ok) return;
  throw new NodeError("not_right", `payout ${told.id} of ${coordinator.url} is not right: ${checked.error}`, {
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
  const { deps } = here;
  const ended: PayoutJson[] = [];
  if (wanted.length > 0) deps.tell({ step: "following" });
  const untilMs = deps.clock.nowMs() + deps.followMs;
  for (const one of wanted) {
    let now = one;
    let said: string | null = null;
    while (isUnderWay(now) && deps.clock.nowMs() < untilMs) {
      const state = now.signature ?? now.trouble ?? "";
      if (state !== said) deps.tell({ step: "seen", payout: now });
      said = state;
      await deps.sleep(FOLLOW_EVERY_MS);
      now = await ask(here, { path: `payouts/${one.id}/status`, body: {}, answer: payoutSchema });
    }
    if (now.root !== one.root) checkReceipts(here, prepared, now, { receipts: await receiptsOf(here, now), wallet });
    if (now.state === "paid" && deps.verify !== null) {
      await deps.verify(prepared, now);
      deps.tell({ step: "verified", payout: now });
    }
    ended.push(now);
  }
  return ended;
}
