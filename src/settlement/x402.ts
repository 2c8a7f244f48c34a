// x402: prepaid chats. A payment is written down before it is sent, credited to an account of its own once it landed, and
// buys one answer; until there was one, the same request with the same payment may come again.
import { and, eq, inArray, or } from "drizzle-orm";
import { audit } from "../accounts/audit.ts";
import { SYSTEM_CALLER } from "../accounts/caller.ts";
import type { Execute } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import { fundFrom } from "../ledger/funding.ts";
import { clientLedger, post, SYSTEM_ACCOUNTS } from "../ledger/ledger.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { networkOf, type PaymentPayload, type Requirements } from "../protocol/x402.ts";
import type { Address, Chain, Commitment, Signature, Signer, Wire } from "../solana/chain.ts";
import { type X402PaymentRow, x402Payments } from "./funding-schema.ts";
import { type CheckRefusal, checkPayment } from "./x402-check.ts";

export type X402Chain = Pick<
  Chain,
  | "genesisHash"
  | "mint"
  | "instructions"
  | "finalized"
  | "lifetime"
  | "statuses"
  | "transaction"
  | "tokenAccountOf"
  | "decode"
  | "cosign"
  | "simulate"
  | "send"
>;
export type X402Deps = {
  db: Db;
  clock: Clock;
  log: Log;
  chain: X402Chain;
  /** Pays the fees of payments. */
  signer: Signer;
  /** The wallet that is paid. */
  treasury: Address;
  /** `[solana] x402_commitment`: how sure a payment must be before it is answered. */
  commitment: Exclude<Commitment, "processed">;
  /** `[solana] x402_minimum`, µ$. */
  minimum: bigint;
  /** `[solana] x402_repeat_min`, in ms: how long an unanswered payment may be used again. */
  repeatMs: number;
};

/** How long a client may take from the offer to the payment, and this coordinator to see it land. */
export const PAYMENT_TIMEOUT_S = 60;
const LOOK_EVERY_MS = 500;
const SEND_EVERY_MS = 2_000;
/** Blocks beyond the newest blockhash's own last: a client's may be a little newer than what is confirmed here. */
const HEIGHT_MARGIN = 64n;

export type X402Refusal =
  | CheckRefusal
  /** It was answered, or is being. */
  | "duplicate_settlement"
  /** It paid for another request. */
  | "payment_for_other_request"
  /** It was not used in time. */
  | "payment_too_old"
  | "transaction_failed"
  | "transaction_expired"
  /** Not seen to land yet. It may: then the same payment may come again. */
  | "settlement_pending";
/** `detail`: for people. */
export type RefusedPayment = { reason: X402Refusal; detail: string; signature: string };

export type PaidRequest = { accountId: string; signature: Signature; payer: Address; amount: bigint };

/** How a request that costs at most `bound` µ$ is to be paid. */
export function requirementsFor({ chain, treasury, signer, minimum }: X402Deps, bound: bigint): Requirements {
  const amount = bound > minimum ? bound : minimum;
  return {
    scheme: "exact",
    network: networkOf(chain.genesisHash),
    amount: amount.toString(),
    asset: chain.mint,
    payTo: treasury,
    maxTimeoutSeconds: PAYMENT_TIMEOUT_S,
    extra: { feePayer: signer.address },
  };
}

export type Prepaid = ReturnType<typeof createPrepaid>;

/** Prepaid chats of this process. */
export function createPrepaid(deps: X402Deps) {
  /** Payments that are being settled or answered here. */
  const busy = new Set<string>();
  const lanes = createLanes();
  return {
    requirementsFor: (bound: bigint) => requirementsFor(deps, bound),

    /**
     * Has the payment settled: what it paid is in an account of its own then. `done` is to be called once its request is
     * over, with whether anything was answered.
     */
    async settle(
      payment: PaymentPayload,
      wanted: Requirements,
      requestHash: string,
    ): Promise<Result<PaidRequest & { done(answered: boolean): Promise<void> }, RefusedPayment>> {
      const checked = await check(deps, payment, wanted);
      if (!checked.ok) return err({ reason: checked.error, detail: "", signature: "" });
      const { signature } = checked.value;
      if (busy.has(signature)) return err(duplicate(signature));
      busy.add(signature);
      const toSettle = { ...checked.value, requestHash };
      const settled = await lanes
        .enter(toSettle.payer, () => settleOnce(deps, toSettle))
        .catch((fault: unknown) => {
          busy.delete(signature);
          throw fault;
        });
      if (settled === "full") {
        busy.delete(signature);
        return err({
          reason: "settlement_pending",
          detail: "too many payments of this wallet are under way",
          signature,
        });
      }
      if (!settled.ok) {
        busy.delete(signature);
        return settled;
      }
      const done = async (answered: boolean) => {
        try {
          if (answered) await markUsed(deps, signature);
        } finally {
          busy.delete(signature);
        }
      };
      return ok({ ...settled.value, done });
    },

    follow: () => followPayments(deps),
  };
}

/** Payments of one wallet that may wait. */
const MAX_LANE = 16;

/**
 * One payment of a wallet at a time: the next is looked at with the state that the one before left, so that a wallet
 * good for one cannot have this coordinator pay the fees of many.
 */
function createLanes() {
  const lanes = new Map<string, { last: Promise<unknown>; length: number }>();
  return {
    async enter<T>(name: string, act: () => Promise<T>): Promise<T | "full"> {
      const lane = lanes.get(name) ?? { last: Promise.resolve(), length: 0 };
      if (lane.length >= MAX_LANE) return "full";
      lanes.set(name, lane);
      lane.length += 1;
      const before = lane.last;
      const mine = (async () => {
        await before;
        return act();
      })();
      // Whether it went well is its own caller's to know.
      lane.last = mine.catch(() => undefined);
      try {
        return await mine;
      } finally {
        lane.length -= 1;
        if (lane.length === 0) lanes.delete(name);
      }
    },
  };
}

const duplicate = (signature: string): RefusedPayment => ({
  reason: "duplicate_settlement",
  detail: "this payment was answered, or is being answered, already",
  signature,
});

type Signed = { signature: Signature; wire: Wire; payer: Address; amount: bigint };

/** Looks at the transaction and signs it; nothing is sent. */
async function check(
  { chain, signer, treasury }: X402Deps,
  { accepted, payload }: PaymentPayload,
  wanted: Requirements,
): Promise<Result<Signed, CheckRefusal>> {
  if (accepted.scheme !== wanted.scheme) return err("unsupported_scheme");
  if (accepted.network !== wanted.network) return err("invalid_network");
  const transaction = await chain.decode(payload.transaction);
  if (transaction === null) return err("invalid_payload");
  const destination = await chain.tokenAccountOf(treasury);
  const terms = { feePayer: signer.address, mint: chain.mint, destination, amount: BigInt(wanted.amount) };
  const checked = checkPayment(transaction, terms, chain.instructions.read);
  if (!checked.ok) return checked;
  const { wire, signature, complete } = await chain.cosign(transaction.wire, signer);
  return signature === null || !complete
    ? err("invalid_exact_svm_payload_signers")
    : ok({ ...checked.value, wire, signature });
}

type ToSettle = Signed & { requestHash: string };

async function settleOnce(deps: X402Deps, payment: ToSettle): Promise<Result<PaidRequest, RefusedPayment>> {
  const { signature } = payment;
  const known = (await rowOf(deps, signature)) ?? (await writeDown(deps, payment));
  if ("reason" in known) return err(known);
  if (known.requestHash !== payment.requestHash) {
    const detail = "this payment was made with another request: the body must be the same";
    return err({ reason: "payment_for_other_request", detail, signature });
  }
  return answerFor(deps, await lookAt(deps, known));
}

async function lookAt(deps: X402Deps, row: X402PaymentRow): Promise<X402PaymentRow> {
  if (row.state === "sent") return sendUntilLanded(deps, row);
  if (row.state !== "expired") return row;
  // That nobody knew it was no proof: a server that was behind may know it now.
  const landed = await deps.chain.transaction(row.signature as Signature);
  return landed !== null && landed.failure === null ? credit(deps, row) : row;
}

const rowOf = async ({ db }: X402Deps, signature: string): Promise<X402PaymentRow | undefined> =>
  db.read.select().from(x402Payments).where(eq(x402Payments.signature, signature)).get();

/** What the client is told of a payment that stands so. */
function answerFor({ clock, repeatMs }: X402Deps, row: X402PaymentRow): Result<PaidRequest, RefusedPayment> {
  const signature = row.signature as Signature;
  const refuse = (reason: X402Refusal, detail: string) => err({ reason, detail, signature });
  if (row.usedMs !== null) return err(duplicate(signature));
  switch (row.state) {
    case "sent":
      return refuse("settlement_pending", "the payment has not landed yet; repeat the request with the same payment");
    case "failed":
      return refuse("transaction_failed", "the payment failed on the chain");
    case "expired":
    case "lost":
      return refuse("transaction_expired", "the payment never landed on the chain");
    case "settled": {
      if (clock.nowMs() > (row.settledMs ?? 0) + repeatMs)
        return refuse("payment_too_old", "the payment was not used in time; ask whoever runs this coordinator");
      const [accountId, amount] = [accountIdOf(signature), BigInt(row.amount)];
      return ok({ accountId, signature, payer: row.payer as Address, amount });
    }
  }
}

/** The account that the payment is credited to. */
const accountIdOf = (signature: string): string => `x402:${signature}`;

/** Before it is sent: from here on it is known, whatever happens. Not where it cannot land as things are. */
async function writeDown(deps: X402Deps, payment: ToSettle): Promise<X402PaymentRow | RefusedPayment> {
  const { chain, db, clock } = deps;
  const { signature, wire, payer, amount, requestHash } = payment;
  const { failure } = await chain.simulate(wire);
  if (failure !== null && failure.reason !== "already_processed") {
    const reason = failure.reason === "blockhash_expired" ? "transaction_expired" : "transaction_failed";
    return { reason, detail: `the payment would fail: ${failure.reason}`, signature };
  }
  const { lastValidBlockHeight } = await chain.lifetime();
  const row = {
    ...{ signature, payer, requestHash, wire, amount: Number(amount), createdMs: clock.nowMs() },
    lastValidHeight: Number(lastValidBlockHeight + HEIGHT_MARGIN),
    state: "sent",
  } as const;
  return await db.writer.transact(async (tx) => {
    const [written] = await tx.insert(x402Payments).values(row).onConflictDoNothing().returning();
    // Another coordinator on the same database has it.
    return written ?? duplicate(signature);
  });
}

/** Sends, and again, until it landed or time is up. The row as it is then. */
async function sendUntilLanded(deps: X402Deps, row: X402PaymentRow): Promise<X402PaymentRow> {
  const { clock, chain, commitment } = deps;
  const untilMs = clock.nowMs() + PAYMENT_TIMEOUT_S * 1000;
  let sentMs = 0;
  let now = row;
  while (now.state === "sent") {
    const nowMs = clock.nowMs();
    if (nowMs >= untilMs) return now;
    if (nowMs - sentMs >= SEND_EVERY_MS) {
      sentMs = nowMs;
      await quietly(deps, () => chain.send(row.wire as Wire));
    }
    const status = await quietly(deps, async () => (await chain.statuses([row.signature as Signature]))[0] ?? null);
    const isSure = status !== null && (status.commitment === "finalized" || status.commitment === commitment);
    if (isSure && status.failure === null) now = await credit(deps, row);
    // A failure is believed once nothing takes it back.
    else if (status?.commitment === "finalized") now = await setState(deps, row, "failed");
    else await new Promise<void>((resolve) => clock.after(LOOK_EVERY_MS, resolve));
  }
  return now;
}

/** An RPC server that does not answer changes nothing. */
async function quietly<T>({ log }: X402Deps, ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    log.warn("a payment cannot be looked at now", { err: error });
    return null;
  }
}

/** Credits it, once. */
async function credit(deps: X402Deps, { signature }: X402PaymentRow): Promise<X402PaymentRow> {
  const { db, clock } = deps;
  const atMs = clock.nowMs();
  await db.writer.transact(async (tx, execute) => {
    const [row] = await tx
      .update(x402Payments)
      .set({ state: "settled", settledMs: atMs })
      .where(and(eq(x402Payments.signature, signature), inArray(x402Payments.state, ["sent", "expired"])))
      .returning();
    if (!row) return;
    const accountId = accountIdOf(signature);
    await execute(
      "insert into accounts (id, kind, name, created_ms) values (?, 'client', ?, ?) on conflict do nothing",
      [accountId, `x402 ${row.payer}`, atMs],
    );
    const account = clientLedger(accountId);
    const funded = await fundFrom(execute, account, "prepaid");
    if (!funded.ok) throw new Error(`${accountId} was funded otherwise`);
    await move(execute, `x402/${signature}`, atMs, [
      { account: SYSTEM_ACCOUNTS.x402, amount: -BigInt(row.amount) },
      { account, amount: BigInt(row.amount) },
    ]);
    const after = { payer: row.payer, amount: row.amount };
    await audit(tx, { ...SYSTEM_CALLER, atMs, action: "x402.settled", subject: account, after });
  });
  return await mustFind(deps, signature);
}

async function mustFind(deps: X402Deps, signature: string): Promise<X402PaymentRow> {
  const row = await rowOf(deps, signature);
  if (!row) throw new Error(`the payment ${signature} is gone`);
  return row;
}

type Entries = Parameters<typeof post>[1]["entries"];

async function move(execute: Execute, cause: string, atMs: number, entries: Entries): Promise<void> {
  const posted = await post(execute, { kind: "prepaid", cause, atMs, entries });
  if (!posted.ok && posted.error === "not_covered") throw new Error(`${cause} is not covered`);
}

async function setState(
  deps: X402Deps,
  { signature, state }: X402PaymentRow,
  next: X402PaymentRow["state"],
  final = true,
): Promise<X402PaymentRow> {
  const here = and(eq(x402Payments.signature, signature), eq(x402Payments.state, state));
  await deps.db.writer.transact((tx) => tx.update(x402Payments).set({ state: next, final }).where(here));
  return await mustFind(deps, signature);
}

/** It bought its answer: the price is final, so what is left of it is the platform's once the job holds nothing. */
async function markUsed({ db, clock }: X402Deps, signature: string): Promise<void> {
  for (let looks = 0; looks < MOST_LOOKS; looks++) {
    const atMs = clock.nowMs();
    const isSwept = await db.writer.transact(async (_, execute) => {
      await execute("update x402_payments set used_ms = ? where signature = ? and used_ms is null", [atMs, signature]);
      const account = clientLedger(accountIdOf(signature));
      const [row] = await execute("select held from ledger_accounts where id = ?", [account]);
      if (Number(row?.[0] ?? 0) > 0) return false;
      await sweep(execute, signature, SYSTEM_ACCOUNTS.fees, "rest", atMs);
      return true;
    });
    if (isSwept) return;
    await new Promise<void>((resolve) => clock.after(LOOK_EVERY_MS, resolve));
  }
}
/** A job whose client left may take a moment to end. */
const MOST_LOOKS = 60;

/** Takes what an account of a payment has free. */
async function sweep(
  execute: Execute,
  signature: string,
  to: (typeof SYSTEM_ACCOUNTS)[keyof typeof SYSTEM_ACCOUNTS],
  why: string,
  atMs: number,
): Promise<bigint> {
  const account = clientLedger(accountIdOf(signature));
  const [row] = await execute("select balance - held from ledger_accounts where id = ?", [account]);
  const rest = BigInt((row?.[0] ?? 0) as number);
  if (rest <= 0n) return 0n;
  await move(execute, `x402/${signature}/${why}`, atMs, [
    { account, amount: -rest },
    { account: to, amount: rest },
  ]);
  return rest;
}

/** Payments looked at in one round. */
const MAX_FOLLOWED = 100;

/** Follows payments until nothing can take them back: those of a process that died, and those answered early. */
async function followPayments(deps: X402Deps): Promise<void> {
  const { db, chain } = deps;
  const open = await db.read
    .select()
    .from(x402Payments)
    .where(and(eq(x402Payments.final, false), or(eq(x402Payments.state, "sent"), eq(x402Payments.state, "settled"))))
    .limit(MAX_FOLLOWED);
  if (open.length === 0) return;
  // The clock first: what is not there by then may have become too old only after it.
  const { blockHeight } = await chain.finalized([]);
  const statuses = await chain.statuses(open.map(({ signature }) => signature as Signature));
  for (const [at, row] of open.entries()) {
    const status = statuses[at] ?? null;
    if (status?.commitment === "finalized") await becameFinal(deps, row, status.failure === null);
    else if (status === null && blockHeight > BigInt(row.lastValidHeight)) await neverLanded(deps, row);
    else await quietly(deps, () => chain.send(row.wire as Wire));
  }
}

async function becameFinal(deps: X402Deps, row: X402PaymentRow, succeeded: boolean): Promise<void> {
  if (!succeeded) return row.state === "settled" ? lose(deps, row) : void (await setState(deps, row, "failed"));
  const credited = row.state === "settled" ? row : await credit(deps, row);
  await setState(deps, credited, credited.state);
}

/** Asked once more, in another way: a server that forgets statuses may know the transaction. */
async function neverLanded(deps: X402Deps, row: X402PaymentRow): Promise<void> {
  const landed = await deps.chain.transaction(row.signature as Signature);
  if (landed !== null) return becameFinal(deps, row, landed.failure === null);
  if (row.state === "settled") await lose(deps, row);
  else await setState(deps, row, "expired");
}

/** A fork took back what was believed too early: what is left of the credit goes, the rest is the platform's loss. */
async function lose(deps: X402Deps, row: X402PaymentRow): Promise<void> {
  const { db, clock, log } = deps;
  const { signature, amount } = row;
  const atMs = clock.nowMs();
  await db.writer.transact(async (tx, execute) => {
    const here = and(eq(x402Payments.signature, signature), eq(x402Payments.state, "settled"));
    const lost = await tx.update(x402Payments).set({ state: "lost", final: true }).where(here).returning();
    if (lost.length === 0) return;
    const taken = await sweep(execute, signature, SYSTEM_ACCOUNTS.x402, "lost", atMs);
    const after = { amount, taken_back: Number(taken) };
    const subject = clientLedger(accountIdOf(signature));
    await audit(tx, { ...SYSTEM_CALLER, atMs, action: "x402.lost", subject, after });
  });
  log.error("a payment that was answered was taken back by a fork", { signature, amount });
}
