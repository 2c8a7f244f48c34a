// Payouts with real processes and real programs: a client approves an allowance, runs jobs, and the node has itself paid.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { getBase58Decoder, signBytes } from "@solana/web3.js";
import type { PayoutView } from "../src/admin/payout-operations.ts";
import type { EarningsJson, PayoutJson } from "../src/protocol/payouts.ts";
import { command, commandJson } from "./harness/instance.ts";
import { faultsOf } from "./harness/money.ts";
import { MODEL, openPaidWorld, type PaidWorld, waitOnChain } from "./harness/paid-world.ts";
import { openStage, type Stage } from "./harness/stage.ts";

type Outcome = { payouts: PayoutJson[]; nothing: string | null; verified: string | null };
type Address = PaidWorld["treasuryAccount"];

const ALLOWED = 1_000_000n;
const chat = { model: MODEL, messages: [{ role: "user", content: "Hello?" }], max_tokens: 10 };

let stage: Stage;
let world: PaidWorld;
let owner: Awaited<ReturnType<PaidWorld["on"]["client"]>>["owner"];
/** The client's. */
let account: Address;
let wallet: Address;
beforeAll(async () => {
  stage = await openStage();
  world = await openPaidWorld(stage, "[payouts]\nminimum = 0");
  const { on, ask } = world;
  const delegate = world.settlement as Address;
  ({ owner, account } = await on.client({ amount: ALLOWED, delegate, allowed: ALLOWED }));
  wallet = (await on.wallet(0n)).address;
  await on.finalize();
  const { proof } = (await ask(`/api/v1/funding/allowance?wallet=${owner.address}&token_account=${account}`)).json;
  const signature = await signBytes(owner.keyPair.privateKey, new TextEncoder().encode(proof.text));
  const claim = { wallet: owner.address, token_account: account, issued_ms: proof.issued_ms };
  const body = { ...claim, signature: getBase58Decoder().decode(signature) };
  expect((await ask("/api/v1/funding/allowance", { method: "POST", body })).status).toBe(200);
});
afterAll(() => stage.close());

async function jobs(count: number): Promise<void> {
  for (let n = 0; n < count; n += 1)
    expect((await world.ask("/v1/chat/completions", { method: "POST", body: chat })).status).toBe(200);
  await world.books.settled();
}
const earned = async () => (await world.books.receipts()).reduce((sum, { nodeAmount }) => sum + BigInt(nodeAmount), 0n);
const charged = async () => (await world.books.receipts()).reduce((sum, { gross }) => sum + BigInt(gross), 0n);

/** Runs `infernet payout` where the node runs, while the chain goes on. */
async function payout(...args: string[]): Promise<{ code: number; stderr: string; outcome: Outcome | undefined }> {
  const { executable } = stage;
  const blocks = setInterval(() => world.chain.advance(20), 100);
  try {
    const { code, stdout, stderr } = await command(executable, world.node.dataDirectory, ["payout", "--json", ...args]);
    const { coordinators = [] } = (stdout === "" ? {} : JSON.parse(stdout)) as { coordinators?: Outcome[] };
    return { code, stderr, outcome: coordinators[0] };
  } finally {
    clearInterval(blocks);
  }
}
async function earnings(): Promise<EarningsJson> {
  const args = ["earnings"];
  const told = await commandJson<{ coordinators: EarningsJson[] }>(stage.executable, world.node.dataDirectory, args);
  const [only] = told.coordinators;
  if (!only) throw new Error("no coordinator told of earnings");
  return only;
}

test("a node that named no wallet is told to", async () => {
  const { code, stderr } = await payout();
  expect([code, stderr]).toEqual([1, expect.stringContaining("infernet payout --wallet ADDRESS")]);
  expect((await payout("--wallet", "not one")).code).toBe(2);
});

test("a client's jobs are paid to the unit: its allowance to the node and the platform; a second payout pays nothing", async () => {
  const { on, books } = world;
  await jobs(3);
  const amount = await earned();
  expect(amount).toBeGreaterThan(0n);
  expect(await earnings()).toMatchObject({
    on_chain: true,
    total: { unpaid: Number(amount), paid: 0 },
    rows: [{ receipts: 3 }],
  });

  const { code, stderr, outcome } = await payout("--wallet", wallet, "--rpc-url", world.rpcUrl);
  expect([code, stderr]).toEqual([0, expect.stringContaining("the chain says so, too")]);
  expect(outcome).toMatchObject({ nothing: null, verified: "chain", payouts: [{ state: "paid", receipts: 3 }] });
  const gross = await charged();
  const fees = await on.ataOf(world.settlement as Address);
  const balances = () => Promise.all([on.ataOf(wallet), fees, account].map(async (of) => on.balance(await of)));
  const after = [amount, gross - amount, ALLOWED - gross];
  expect(await balances()).toEqual(after);

  const second = await payout();
  expect([second.code, second.outcome]).toEqual([
    0,
    expect.objectContaining({ payouts: [], nothing: "nothing is unpaid" }),
  ]);
  expect(await balances()).toEqual(after);
  expect((await earnings()).total).toEqual({ unpaid: 0, in_payout: 0, stuck: 0, paid: Number(amount) });
  expect(faultsOf(await books.check())).toEqual([]);
});

test("its receipts verify on another machine with no network, the payout with them", async () => {
  const file = join(stage.directory("export"), "receipts.jsonl");
  const { executable } = stage;
  expect((await command(executable, world.coordinator.dataDirectory, ["receipts", "export", file])).code).toBe(0);
  const checked = await command(executable, stage.directory("elsewhere"), ["receipts", "verify", file, "--json"]);
  expect([checked.code, checked.stderr]).toEqual([0, ""]);
  expect(JSON.parse(checked.stdout)).toMatchObject({ receipts: 3, missing: "0", gross: String(await charged()) });
});

test("a client that revoked holds nothing up for good: what it owes waits, and is paid once it can", async () => {
  const { on } = world;
  const before = await on.balance(await on.ataOf(wallet));
  await jobs(1);
  const owed = (await earned()) - before;
  await on.revoke(owner, account);
  await on.finalize();
  const short = await payout();
  expect([short.code, short.outcome?.payouts]).toEqual([
    1,
    [expect.objectContaining({ state: "stuck", reason: "delegate_revoked" })],
  ]);
  expect((await earnings()).total).toMatchObject({ unpaid: 0, stuck: Number(owed) });

  await on.approve(owner, account, world.settlement as Address, ALLOWED);
  await on.finalize();
  const admin = (...args: string[]) =>
    commandJson<PayoutView[]>(stage.executable, world.coordinator.dataDirectory, ["payouts", ...args]);
  const [stuck] = await admin("list", "--state", "stuck");
  await admin("retry", stuck?.id ?? "");
  await waitOnChain(
    world,
    "it to be paid",
    async () =>
      (await admin("list", "--state", "stuck")).length === 0 &&
      (await earnings()).total.stuck === 0 &&
      (await earnings()).total.in_payout === 0,
  );
  expect(await on.balance(await on.ataOf(wallet))).toBe(before + owed);
  expect(faultsOf(await world.books.check())).toEqual([]);
});
