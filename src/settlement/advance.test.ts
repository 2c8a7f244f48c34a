import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import path from "node:path";
import { getTransferSolInstruction } from "@solana-program/system";
import { LOCAL_CALLER } from "../accounts/caller.ts";
import { checkLedger } from "../admin/check-ledger.ts";
import { balanceOf, nodeLedger } from "../ledger/ledger.ts";
import { signAgreement } from "../protocol/payout-agreement.ts";
import { pubkeySchema } from "../protocol/primitives.ts";
import type { Address } from "../solana/chain.ts";
import { solanaSigner } from "../solana/signer.ts";
import { type AdvanceDeps, advancePayout } from "./advance.ts";
import { agreeTo } from "./agree.ts";
import { planAutomatically } from "./automatic.ts";
import type { PayoutChain } from "./payout-chain.ts";
import { attemptsOf, getPayout, legsOf, listPayouts } from "./payouts.ts";
import { type PlanRules, planPayouts } from "./plan.ts";
import { reclaimRent } from "./reclaim.ts";
import { retryStuck } from "./set-aside.ts";
import { solanaPayouts } from "./solana-payouts.ts";
import {
  addClient,
  addCreditor,
  addNode,
  type Client,
  COIN,
  earn,
  type Node,
  openStageDatabase,
  type PayoutWorld,
  payoutWorld,
} from "./testing/payout-stage.ts";
import { writeOff } from "./write-off.ts";

const RULES: PlanRules = { minimum: 0n, maxTransfers: 16, maxReceipts: 10_000, treasury: true };
const FULL = 10_000_000n;

let world: PayoutWorld;
let names = 0;
beforeAll(async () => {
  world = await payoutWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

const newNode = (): Promise<Node> => addNode(world.db, world.stage, `${names++}`);
async function newClient(): Promise<Client> {
  const { address: delegate } = world.settlement;
  const client = await addClient(world.db, world.stage, { name: `${names++}`, delegate, amount: FULL });
  await world.stage.finalize();
  return client;
}
const job = (node: Node, { accountId }: { accountId: string }, gross: bigint) =>
  earn(world.db, { node: node.pubkey, accountId, gross, job: `${names++}` });

const planAll = (node: Node, state: "planned" | "due" = "due", rules = RULES) =>
  planPayouts(world.deps, rules, { node: node.pubkey, wallet: node.wallet, state });
async function plan(node: Node, state: "planned" | "due" = "due"): Promise<string> {
  const planned = await planAll(node, state);
  if (!planned.ok) throw new Error(planned.error.code);
  expect(planned.value).toHaveLength(1);
  return planned.value[0]?.id ?? "";
}
const step = (id: string, chain: Partial<PayoutChain> = {}) =>
  advancePayout({ ...world.deps, chain: { ...world.deps.chain, ...chain } } satisfies AdvanceDeps, id);
const state = async (id: string) => (await getPayout(world.deps, id))?.state;
const attempts = async (id: string) => (await attemptsOf(world.deps, id)).map((each) => each.state);
const owed = async (node: Node) => (await balanceOf(world.db, nodeLedger(node.pubkey))).balance;
/** Until its transaction can land no more, and that is final. */
const expire = () => world.chain.advance(200);
async function faults(): Promise<string[]> {
  const { checks } = await checkLedger(world.db, world.clock.nowMs());
  return checks.flatMap(({ name, faults: found }) => found.map(({ row, message }) => `${name}: ${row}: ${message}`));
}
const away = async (): Promise<never> => {
  throw new Error("no answer");
};
const failing = (act: Promise<unknown>) =>
  act.then(
    () => "done",
    (error: Error) => error.message,
  );

const transferTo = (destination: Address, amount: bigint) =>
  getTransferSolInstruction({ source: world.stage.admin, destination, amount });

describe("a payout is paid", () => {
  test("by each client's allowance, to the unit, once it is final", async () => {
    const node = await newNode();
    const [a, b] = [await newClient(), await newClient()];
    await job(node, a, 1_000_003n);
    await job(node, b, 7n);
    await job(node, a, 500_000n);
    const feesBefore = await world.stage.balance(world.feeAccount);
    const id = await plan(node);
    await step(id);
    expect(await world.stage.balance(node.account)).toBe(1_320_010n);
    // Landed is not final.
    await step(id);
    expect(await state(id)).toBe("due");
    expect(await owed(node)).toBe(1_320_010n);
    await world.stage.finalize();
    await step(id);
    expect(await state(id)).toBe("paid");
    expect(await attempts(id)).toEqual(["paid"]);
    expect(await world.stage.balance(world.feeAccount)).toBe(feesBefore + 180_000n);
    expect(await world.stage.balance(a.account)).toBe(FULL - 1_500_003n);
    expect(await owed(node)).toBe(0n);
    expect(await faults()).toEqual([]);
    expect(await planAll(node)).toEqual({ ok: false, error: { code: "nothing_unpaid" } });
  });

  test("by the treasury for accounts with credits, which keeps the fee", async () => {
    const node = await newNode();
    const accountId = await addCreditor(world.db, `${names++}`, FULL);
    const treasury = world.treasuryAccount;
    if (treasury === null) throw new Error("no treasury");
    await world.stage.mintTo(treasury, FULL);
    await job(node, { accountId }, 1_000_000n);
    const id = await plan(node);
    await step(id);
    await world.stage.finalize();
    await step(id);
    expect(await state(id)).toBe("paid");
    expect(await world.stage.balance(node.account)).toBe(880_000n);
    expect(await world.stage.balance(treasury)).toBe(FULL - 880_000n);
    expect(await faults()).toEqual([]);
  });

  test("once, also where its database was put back to before it was sent", async () => {
    const node = await newNode();
    const client = await newClient();
    await job(node, client, 1_000_000n);
    const id = await plan(node);
    const wires: string[] = [];
    const keep = async (wire: string) => {
      wires.push(wire);
      await world.deps.chain.send(wire);
    };
    await step(id, { send: keep });
    await world.stage.finalize();
    // Nothing is known of the attempt any more.
    await world.db.writer.transact((_, execute) =>
      Promise.resolve(execute("delete from payout_attempts where payout_id = ?", [id])),
    );
    await step(id, { send: keep });
    expect(wires).toHaveLength(1);
    expect(await state(id)).toBe("paid");
    expect(await world.stage.balance(node.account)).toBe(880_000n);
  });

  test("once, also where the chain's history of it is lost: the marker refuses it", async () => {
    const node = await newNode();
    await job(node, await newClient(), 1_000_000n);
    const id = await plan(node);
    await step(id);
    await world.stage.finalize();
    await world.db.writer.transact((_, execute) =>
      Promise.resolve(execute("delete from payout_attempts where payout_id = ?", [id])),
    );
    await step(id, { paymentOf: async () => null });
    expect(await state(id)).toBe("due");
    expect((await getPayout(world.deps, id))?.trouble).toContain("account_exists");
    expect(await world.stage.balance(node.account)).toBe(880_000n);
    await step(id);
    expect(await state(id)).toBe("paid");
  });

  test("where its rent was taken back long ago, too: an older database finds it in the marker's history", async () => {
    const node = await newNode();
    await job(node, await newClient(), 1_000_000n);
    const id = await plan(node);
    await step(id);
    await world.stage.finalize();
    await step(id);
    expire();
    await reclaimRent(world.deps, 0);
    await world.stage.finalize();
    expect(await reclaimRent(world.deps, 0)).toBeGreaterThan(0);
    expect((await world.deps.chain.look(id)).marker).toBe(false);
    const rows =
      "update payouts set state = 'due', signature = null, ended_ms = null, reclaimed_ms = null where id = ?";
    await world.db.writer.transact(async (_, execute) => {
      await execute("delete from payout_attempts where payout_id = ?", [id]);
      await execute(rows, [id]);
    });
    const prepared = await failing(step(id, { prepare: away }));
    // Its money was moved before: the ledger takes it only once, and says so.
    expect(prepared).toContain("posted_already");
    expect(await world.stage.balance(node.account)).toBe(880_000n);
    await world.db.writer.transact(async (_, execute) => {
      await execute("update payouts set state = 'paid', signature = 'x', ended_ms = 0 where id = ?", [id]);
    });
  });
});

describe("what may go wrong on the way", () => {
  test("nothing is sent that was not written down: a write that fails is a payment that is not made", async () => {
    const node = await newNode();
    await job(node, await newClient(), 1_000_000n);
    const id = await plan(node);
    const writer = { ...world.db.writer, transact: away };
    const deps = { ...world.deps, db: { ...world.db, writer } };
    expect(await failing(advancePayout(deps, id))).toBe("no answer");
    expect(await world.stage.balance(node.account)).toBe(0n);
    await step(id);
    expect(await world.stage.balance(node.account)).toBe(880_000n);
  });

  test("an answer that does not come changes nothing; the same bytes are sent again", async () => {
    const node = await newNode();
    await job(node, await newClient(), 1_000_000n);
    const id = await plan(node);
    expect(await failing(step(id, { send: away }))).toBe("no answer");
    const [{ signature } = { signature: "" }] = await attemptsOf(world.deps, id);
    expect(await failing(step(id, { look: away }))).toBe("no answer");
    await step(id);
    await world.stage.finalize();
    await step(id);
    expect((await getPayout(world.deps, id))?.signature).toBe(signature);
  });

  test("a transaction that never landed is signed anew only once it cannot land any more", async () => {
    const node = await newNode();
    await job(node, await newClient(), 1_000_000n);
    const id = await plan(node);
    await step(id, { send: async () => undefined });
    world.chain.advance(100);
    await step(id, { send: async () => undefined });
    expect(await attempts(id)).toEqual(["live"]);
    expire();
    await step(id);
    expect(await attempts(id)).toEqual(["expired"]);
    await step(id);
    expect(await attempts(id)).toEqual(["expired", "live"]);
    await world.stage.finalize();
    await step(id);
    expect(await state(id)).toBe("paid");
    expect(await world.stage.balance(node.account)).toBe(880_000n);
  });

  test("two coordinators sign at once: one of them is written down, and the other's never leaves", async () => {
    const node = await newNode();
    await job(node, await newClient(), 1_000_000n);
    const id = await plan(node);
    const sent = new Set<string>();
    const send = async (wire: string) => {
      sent.add(wire);
    };
    // Both have read the payout before either writes.
    let waiting = 0;
    const both = Promise.withResolvers<void>();
    const prepare: PayoutChain["prepare"] = async (order) => {
      const prepared = await world.deps.chain.prepare(order);
      waiting += 1;
      if (waiting === 2) both.resolve();
      world.chain.advance(1);
      await both.promise;
      return prepared;
    };
    await Promise.all([step(id, { prepare, send }), step(id, { prepare, send })]);
    expect(await attempts(id)).toEqual(["live"]);
    expect(sent.size).toBe(1);
  });

  test("it lands and fails, for its client was quicker: then the client is set aside", async () => {
    const node = await newNode();
    const client = await newClient();
    await job(node, client, 1_000_000n);
    const id = await plan(node);
    world.chain.mode = "mempool";
    await step(id);
    world.chain.mode = "instant";
    await world.stage.revoke(client.owner, client.account);
    expire();
    await step(id);
    expect(await attempts(id)).toEqual(["failed"]);
    expect((await attemptsOf(world.deps, id))[0]?.error).toContain("InstructionError");
    await step(id);
    expect(await state(id)).toBe("stuck");
    expect((await getPayout(world.deps, id))?.reason).toBe("delegate_revoked");
    expect(await faults()).toEqual([]);
  });

  test("a settlement key without SOL, or with too little, is named; the payout goes on once it has some", async () => {
    const poor = await solanaSigner(new Uint8Array(32).fill(99));
    const owner = await addClient(world.db, world.stage, {
      ...{ name: `${names++}`, delegate: poor.address, amount: FULL },
    });
    await world.stage.finalize();
    const node = await newNode();
    await job(node, owner, 1_000_000n);
    const id = await plan(node);
    const chain = await world.client(world.db, world.calmUrl);
    const { feeOwner } = world;
    const payouts = solanaPayouts({ ...{ chain, feeOwner }, settlement: poor, treasury: null });
    const trouble = async () => {
      await step(id, payouts);
      return (await getPayout(world.deps, id))?.trouble;
    };
    const tooLittle = `the settlement key ${poor.address} has too little SOL: send it some`;
    expect(await trouble()).toBe(tooLittle);
    // Enough for the fee and the marker, not for the node's token account.
    world.chain.airdrop(poor.address, 1_800_000n);
    expect(await trouble()).toBe(tooLittle);
    world.chain.airdrop(poor.address, 100_000_000n);
    expect(await trouble()).toBeNull();
    await world.stage.finalize();
    await step(id, payouts);
    expect(await state(id)).toBe("paid");
  });

  test("a node's token account is opened for it once: one that has none later opens it itself", async () => {
    const node = await newNode();
    const client = await newClient();
    await job(node, client, 1_000_000n);
    const first = await plan(node);
    await step(first);
    await world.stage.finalize();
    await step(first);
    await job(node, client, 1_000_000n);
    // Another wallet, or the same one after it closed its account.
    const { address } = await world.stage.wallet(0n);
    const planned = await planPayouts(world.deps, RULES, { node: node.pubkey, wallet: address, state: "due" });
    const id = planned.ok ? (planned.value[0]?.id ?? "") : "";
    await step(id);
    expect(await attempts(id)).toEqual([]);
    expect((await getPayout(world.deps, id))?.trouble).toContain("its owner opens one");
    // It does not pile up more of them, each to be looked at again and again.
    await job(node, client, 1_000_000n);
    expect(await planAll(node)).toEqual({ ok: false, error: { code: "earlier_waits" } });
    await world.stage.ata(address);
    await world.stage.finalize();
    await step(id);
    await world.stage.finalize();
    await step(id);
    expect(await state(id)).toBe("paid");
    expect(await world.stage.balance(await world.stage.ataOf(address))).toBe(880_000n);
    expect((await planAll(node)).ok).toBe(true);
  });

  test("lamports where the marker is to be are no payment", async () => {
    const node = await newNode();
    await job(node, await newClient(), 1_000_000n);
    const id = await plan(node);
    const client = await world.client(world.db, world.calmUrl);
    world.chain.airdrop(await client.markerAddress(world.settlement.address, id), 890_880n);
    await world.stage.finalize();
    await step(id);
    expect(await state(id)).toBe("due");
    expect((await getPayout(world.deps, id))?.trouble).toContain("account_exists");
    expect(await owed(node)).toBe(880_000n);
  });

  test("a client that drained, and took the marker's address, holds up nobody but itself", async () => {
    const node = await newNode();
    const [client, honest] = [await newClient(), await newClient()];
    await job(node, client, 1_000_000n);
    await job(node, honest, 500_000n);
    const id = await plan(node);
    world.chain.mode = "mempool";
    await step(id);
    world.chain.mode = "instant";
    await world.stage.revoke(client.owner, client.account);
    // It landed and failed, for all to see: with it, where its marker is to be.
    expire();
    const marker = await (await world.client(world.db, world.calmUrl)).markerAddress(world.settlement.address, id);
    await world.stage.fund(world.stage.admin, marker, 890_880n);
    expire();
    for (let n = 0; n < 4; n += 1) await step(id);
    expect(await state(id)).toBe("written_off");
    const [renewed] = await listPayouts(world.deps, 9, { node: node.pubkey, state: "due" });
    expect((await getPayout(world.deps, id))?.reason).toContain(renewed?.id ?? "no other");
    expect(await faults()).toEqual([]);
    await step(renewed?.id ?? "");
    await world.stage.finalize();
    await step(renewed?.id ?? "");
    expect(await state(renewed?.id ?? "")).toBe("paid");
    expect(await world.stage.balance(node.account)).toBe(440_000n);
    expect(await faults()).toEqual([]);
  });

  test("a database from before its payout was renewed renews it to the same one, and finds it paid", async () => {
    const node = await newNode();
    await job(node, await newClient(), 1_000_000n);
    const id = await plan(node);
    const marker = await (await world.client(world.db, world.calmUrl)).markerAddress(world.settlement.address, id);
    await world.stage.fund(world.stage.admin, marker, 890_880n);
    await world.stage.finalize();
    const older = path.join(world.directory, "older.db");
    await world.db.writer.exclusive((connection) => connection.script(`vacuum into '${older}'`));
    await step(id);
    const [renewed] = await listPayouts(world.deps, 9, { node: node.pubkey, state: "due" });
    await step(renewed?.id ?? "");
    await world.stage.finalize();
    const db = await openStageDatabase(older, world.clock);
    const deps = { ...world.deps, db };
    await advancePayout(deps, id);
    const [again] = await listPayouts(deps, 9, { node: node.pubkey, state: "due" });
    expect(again?.id).toBe(renewed?.id ?? "");
    await advancePayout(deps, again?.id ?? "");
    expect((await getPayout(deps, again?.id ?? ""))?.state).toBe("paid");
    await db.close();
    expect(await world.stage.balance(node.account)).toBe(880_000n);
  });

  test("lamports at a marker's address while its transaction is lost end the attempt, once it can land no more", async () => {
    const node = await newNode();
    await job(node, await newClient(), 1_000_000n);
    const id = await plan(node);
    await step(id, { send: async () => undefined });
    const marker = await (await world.client(world.db, world.calmUrl)).markerAddress(world.settlement.address, id);
    await world.stage.fund(world.stage.admin, marker, 890_880n);
    await world.stage.finalize();
    await step(id, { send: async () => undefined });
    expect(await attempts(id)).toEqual(["live"]);
    expire();
    await step(id);
    expect(await attempts(id)).toEqual(["expired"]);
    await step(id);
    expect(await state(id)).toBe("written_off");
  });

  test("a payment is found among the thousand transactions with which strangers bury it", async () => {
    const node = await newNode();
    await job(node, await newClient(), 1_000_000n);
    const id = await plan(node);
    await step(id);
    const marker = await (await world.client(world.db, world.calmUrl)).markerAddress(world.settlement.address, id);
    for (let n = 0; n < 1_000; n += 1) await world.stage.send(world.stage.admin, [transferTo(marker, BigInt(n + 1))]);
    await world.stage.finalize();
    await step(id);
    expect(await state(id)).toBe("paid");
  });
});

test("14 clients pay in one transaction, by an address table that the next payout uses, too", async () => {
  const node = await newNode();
  const clients: Client[] = [];
  for (let n = 0; n < 14; n += 1) clients.push(await newClient());
  const sent: number[] = [];
  const send = async (wire: string) => {
    sent.push(Buffer.from(wire, "base64").length);
    await world.deps.chain.send(wire);
  };
  for (const steps of [2, 1]) {
    for (const client of clients) await job(node, client, 1_000n);
    const planned = await planAll(node, "due", { ...RULES, maxTransfers: 32 });
    const [id = ""] = planned.ok ? planned.value.map((each) => each.id) : [];
    for (let n = 1; n < steps; n += 1) {
      await step(id, { send });
      expect((await getPayout(world.deps, id))?.trouble).toBe("its address table is being made");
      await world.stage.finalize();
    }
    await step(id, { send });
    await world.stage.finalize();
    await step(id);
    expect(await getPayout(world.deps, id)).toMatchObject({ state: "paid", trouble: null });
  }
  expect(await world.stage.balance(node.account)).toBe(2n * 14n * 880n);
  expect(sent.length).toBe(2);
  expect(Math.max(...sent)).toBeLessThanOrEqual(1232);
  expect(await faults()).toEqual([]);
});

test("what is too large for any transaction is paid by two", async () => {
  const node = await newNode();
  for (let n = 0; n < 10; n += 1) await job(node, await newClient(), 1_000n);
  const planned = await planAll(node, "due", { ...RULES, maxTransfers: 32 });
  const [id = ""] = planned.ok ? planned.value.map((each) => each.id) : [];
  const { prepare } = world.deps.chain;
  const small: PayoutChain["prepare"] = async (order) =>
    order.legs.length > 5 ? { outcome: "too_large" } : prepare(order);
  await step(id, { prepare: small });
  const both = await listPayouts(world.deps, 9, { node: node.pubkey, state: "due" });
  expect(both.map(({ receipts }) => receipts)).toEqual([5, 5]);
  for (const each of both) await step(each.id, { prepare: small });
  await world.stage.finalize();
  for (const each of both) await step(each.id);
  expect(await world.stage.balance(node.account)).toBe(8_800n);
  expect(await faults()).toEqual([]);
});

describe("a client that cannot pay", () => {
  test("holds nobody up: its receipts wait in a payout of their own until it can", async () => {
    const node = await newNode();
    const [poor, good] = [await newClient(), await newClient()];
    await job(node, good, 1_000_000n);
    await job(node, poor, 2_000_000n);
    await job(node, good, 3n);
    const id = await plan(node);
    await world.stage.transfer(poor.owner, poor.account, await world.stage.ata(world.stage.admin.address), FULL);
    await world.stage.finalize();
    await step(id);
    await step(id);
    await world.stage.finalize();
    await step(id);
    expect(await state(id)).toBe("paid");
    expect(await world.stage.balance(node.account)).toBe(880_003n);
    const [aside] = await listPayouts(world.deps, 1, { node: node.pubkey, state: "stuck" });
    expect(aside).toMatchObject({ nodeAmount: 1_760_000, fee: 240_000, receipts: 1, reason: "balance_too_low" });
    expect(await faults()).toEqual([]);

    await retryStuck(world.deps);
    expect(await state(aside?.id ?? "")).toBe("stuck");
    await world.stage.mintTo(poor.account, 2_000_000n);
    await world.stage.finalize();
    await retryStuck(world.deps);
    await step(aside?.id ?? "");
    await world.stage.finalize();
    await step(aside?.id ?? "");
    expect(await state(aside?.id ?? "")).toBe("paid");
    expect(await world.stage.balance(node.account)).toBe(2_640_003n);
    expect(await faults()).toEqual([]);
  });

  test("is written off by an admin, with a reason; what is paid or on its way is not", async () => {
    const node = await newNode();
    const client = await newClient();
    await job(node, client, 1_000_000n);
    const id = await plan(node);
    const deps = { ...world.deps, by: LOCAL_CALLER };
    expect(await writeOff(deps, id, "never")).toEqual({ ok: false, error: "not_stuck" });
    await world.stage.revoke(client.owner, client.account);
    await world.stage.finalize();
    await step(id);
    const written = await writeOff(deps, id, "the client is gone");
    expect(written.ok && written.value).toMatchObject({ state: "written_off", reason: "the client is gone" });
    expect(await owed(node)).toBe(0n);
    expect(await faults()).toEqual([]);
    expect(await planAll(node)).toEqual({ ok: false, error: { code: "nothing_unpaid" } });
  });
});

describe("a plan", () => {
  test("waits for the node's agreement to exactly what is paid", async () => {
    const node = await newNode();
    await job(node, await newClient(), 1_000_000n);
    const id = await plan(node, "planned");
    await step(id);
    expect(await attempts(id)).toEqual([]);
    const payout = await getPayout(world.deps, id);
    const parties = { coordinator: pubkeySchema.parse("ab".repeat(32)), node: pubkeySchema.parse(node.pubkey) };
    const right = { ...parties, payoutId: id, root: payout?.root ?? "", wallet: node.wallet, nodeAmount: 880_000n };
    const wrong = signAgreement(node.secret, { ...right, nodeAmount: 880_001n });
    expect(await agreeTo(world.deps, parties, id, wrong)).toEqual({ ok: false, error: "agreement_wrong" });
    const stranger = { ...parties, node: parties.coordinator };
    expect(await agreeTo(world.deps, stranger, id, wrong)).toEqual({ ok: false, error: "payout_unknown" });
    expect((await agreeTo(world.deps, parties, id, signAgreement(node.secret, right))).ok).toBe(true);
    expect(await state(id)).toBe("due");
    // A second word changes nothing.
    expect((await agreeTo(world.deps, parties, id, wrong)).ok).toBe(true);
  });

  test("is made anew with what was earned since, as long as the node has not agreed", async () => {
    const node = await newNode();
    const client = await newClient();
    await job(node, client, 1_000_000n);
    const first = await plan(node, "planned");
    await job(node, client, 1_000_000n);
    const second = await plan(node, "planned");
    expect(await state(first)).toBeUndefined();
    expect((await getPayout(world.deps, second))?.receipts).toBe(2);
    expect(await faults()).toEqual([]);
  });

  test("stands for as long as nothing changes, however often it is asked for", async () => {
    const node = await newNode();
    await job(node, await newClient(), 1_000_000n);
    const logged = async () => Number((await world.db.query("select count(*) from audit_log"))[0]?.[0]);
    const first = await planAll(node, "planned");
    const before = await logged();
    for (let n = 0; n < 3; n += 1) expect(await planAll(node, "planned")).toEqual(first);
    expect(await logged()).toBe(before);
    const { address: wallet } = await world.stage.wallet(0n);
    const moved = await planPayouts(world.deps, RULES, { node: node.pubkey, wallet, state: "planned" });
    expect(moved.ok && (await getPayout(world.deps, moved.value[0]?.id ?? ""))?.wallet).toBe(wallet);
    expect(await faults()).toEqual([]);
  });

  test("of less than the minimum is not made", async () => {
    const node = await newNode();
    await job(node, await newClient(), 100n);
    const planned = await planAll(node, "due", { ...RULES, minimum: 89n });
    expect(planned).toEqual({ ok: false, error: { code: "below_minimum", unpaid: 88n, minimum: 89n } });
  });

  test("has no more sources in one payout than a transaction can pay", async () => {
    const node = await newNode();
    for (let n = 0; n < 5; n += 1) await job(node, await newClient(), 1_000n);
    const planned = await planAll(node, "due", { ...RULES, maxTransfers: 4 });
    const ids = planned.ok ? planned.value.map(({ id }) => id) : [];
    const legs = await Promise.all(ids.map(async (id) => (await legsOf(world.deps, id)).length));
    expect(legs).toEqual([2, 2, 1]);
    expect(await faults()).toEqual([]);
  });

  test("without a treasury leaves what only that could pay", async () => {
    const node = await newNode();
    const accountId = await addCreditor(world.db, `${names++}`, FULL);
    await job(node, { accountId }, 1_000n);
    await job(node, await newClient(), 2_000n);
    const planned = await planAll(node, "due", { ...RULES, treasury: false });
    expect(planned).toMatchObject({ ok: true, value: [{ nodeAmount: 1_760n, receipts: 1 }] });
    expect(await planAll(node)).toMatchObject({ ok: true, value: [{ nodeAmount: 880n, receipts: 1 }] });
  });

  test("by two coordinators at once pays each receipt once", async () => {
    const node = await newNode();
    const client = await newClient();
    for (let n = 0; n < 3; n += 1) await job(node, client, 1_000n);
    const plans = await Promise.all([planAll(node), planAll(node), planAll(node)]);
    const planned = plans.flatMap((each) => (each.ok ? each.value : []));
    expect(planned.map(({ receipts }) => receipts)).toEqual([3]);
    expect(await faults()).toEqual([]);
  });

  test("is made unasked for nodes that are owed enough, and not again before the interval is over", async () => {
    const [node, poor] = [await newNode(), await newNode()];
    const client = await newClient();
    await job(node, client, 900_000_000n / 100n);
    await job(poor, client, 10n);
    const rules = { ...RULES, minimum: 7_000_000n, coin: COIN, intervalMs: 3_600_000 };
    const automatic = () => planAutomatically(world.deps, rules);
    const payoutsOf = async ({ pubkey }: Node) =>
      (await listPayouts(world.deps, 9, { node: pubkey })).map((each) => each.state);
    await automatic();
    expect([await payoutsOf(node), await payoutsOf(poor)]).toEqual([["due"], []]);
    await job(node, await newClient(), FULL);
    await automatic();
    expect(await payoutsOf(node)).toHaveLength(1);
    world.clock.advance(3_600_001);
    await automatic();
    expect(await payoutsOf(node)).toHaveLength(2);
  });
});
