// An admin's pages of stakes on the real server and real programs: what moves is asked for once more, moves once, and what
// this instance cannot sign alone is told.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { LOCAL_CALLER } from "../../accounts/caller.ts";
import { stakeAdmin } from "../../admin/stakes.ts";
import { COORDINATOR, type CoordinatorStage, coordinatorStage } from "../../http/testing/coordinator-stage.ts";
import { balanceOf, SYSTEM_ACCOUNTS } from "../../ledger/ledger.ts";
import { type Funding, runFunding } from "../../settlement/funding.ts";
import { type FundingStage, fundingStage } from "../../settlement/testing/funding-stage.ts";
import type { Address } from "../../solana/chain.ts";
import { type SignedIn, signedIn } from "../testing/signed-in.ts";

const PLEDGED = "ab".repeat(32);
const HELD = "cd".repeat(32);
const HOSTILE = '<script>alert(1)</script>"\u202egnp.exe\u0007';
const PLEDGE = `/admin/money/stakes/${PLEDGED}`;
const MULTISIG = `/admin/money/stakes/${HELD}`;

let on: CoordinatorStage;
let chain: FundingStage;
let funding: Funding;
let admin: SignedIn;
let client: SignedIn;
let arbiter: Awaited<ReturnType<FundingStage["on"]["wallet"]>>;

beforeAll(async () => {
  [on, chain] = await Promise.all([coordinatorStage({ dashboard: { billing: "solana" } }), fundingStage()]);
  arbiter = await chain.on.wallet();
  const { db } = on.database;
  funding = runFunding(
    {
      ...{ db, clock: on.clock, log: chain.log, random: chain.random, chain: chain.chain },
      ...{ settlement: chain.settlement, markerKey: new Uint8Array(32), staked: () => undefined },
    },
    {
      ...{ pollMs: 60_000, maxUnsettled: 0n, treasury: chain.treasury, depositTtlMs: 60_000, x402: null },
      stake: { minimum: 1_000n, arbiter: arbiter.address as Address, exempt: null },
      epochMs: null,
    },
  );
  await funding.round();
  const { clock } = on;
  const desk = () => ({ ...funding, minimum: 1_000 });
  const admins = stakeAdmin({ clock, pubkey: COORDINATOR.pubkey, desk });
  Object.assign(on.dashboard, { funding, admin: { ...on.dashboard.admin, ...admins } });
  admin = await signedIn(on, { email: "ada@example.org", roles: ["admin"] });
  client = await signedIn(on);
  await pledge();
  await enforceable();
});
afterAll(async () => {
  await funding.stop();
  await on[Symbol.asyncDispose]();
  await chain[Symbol.asyncDispose]();
});

async function pledge(): Promise<void> {
  const made = await chain.on.client({ amount: 5_000n, delegate: chain.settlement.address, allowed: 3_000n });
  await chain.on.finalize();
  const stake = { nodePubkey: PLEDGED, wallet: made.owner.address as Address, tokenAccount: made.account as Address };
  const registered = await funding.desk.register({ ...stake, multisig: null }, LOCAL_CALLER);
  expect(registered.ok).toBe(true);
}

async function enforceable(): Promise<void> {
  const wallet = (await chain.on.wallet()).address as Address;
  const signers = [wallet, chain.settlement.address, arbiter.address as Address];
  const account = await chain.on.wallet(0n);
  // Registered as it is stored: how one is opened is tested beside it.
  await on.database.db.writer.transact(async (_, execute) => {
    await execute(
      `insert into stakes (node_pubkey, kind, wallet, token_account, multisig, arbiter, registered_ms, amount)
       values (?, 'multisig', ?, ?, ?, ?, 0, 2000000)`,
      [HELD, wallet, await chain.on.ataOf(account.address), account.address, signers[2] ?? ""],
    );
  });
}

const idIn = (html: string): string => /name="id" value="([0-9a-f-]{36})"/.exec(html)?.[1] ?? "";
const text = async (person: SignedIn, path: string): Promise<string> => (await person.get(path)).text();
const moved = async () => Number((await on.database.db.query("select count(*) from once_sends"))[0]?.[0]);
const proposed = async () => Number((await on.database.db.query("select count(*) from stake_proposals"))[0]?.[0]);
const slash = (fields: Record<string, string> = {}) =>
  admin.post(PLEDGE, { act: "slash", usd: "0.0005", reason: "forged answers", ...fields });

test("nobody but an admin sees or moves a stake, and where there is none the page is not there", async () => {
  for (const path of [PLEDGE, MULTISIG]) {
    expect([(await client.get(path)).status, (await client.post(path, { act: "slash" })).status]).toEqual([403, 403]);
    expect((await client.post(`${path}/forget`)).status).toBe(403);
    expect((await client.post(`${path}/submit`, { transaction: "AQ==" })).status).toBe(403);
  }
  for (const path of [`/admin/money/stakes/${"ef".repeat(32)}`, "/admin/money/stakes/nothing"])
    expect([(await admin.get(path)).status, (await admin.post(path, { act: "slash" })).status]).toEqual([404, 404]);
  const unproved = await admin.post(PLEDGE, { act: "slash" }, { headers: { "x-csrf-token": "wrong" } });
  expect(unproved.status).toBe(403);
  Object.assign(on.dashboard, { funding: null });
  expect((await admin.get(PLEDGE)).status).toBe(404);
  Object.assign(on.dashboard, { funding });
});

test("what is at stake, what its account holds and its cap are shown; a pledge is not released here", async () => {
  const html = await text(admin, PLEDGE);
  for (const amount of ["$0.003", "$0.005"]) expect(html).toContain(amount);
  expect(html).toContain("spl-token revoke ");
  expect((await admin.post(PLEDGE, { act: "release", usd: "1", reason: "r" })).status).toBe(404);
  expect(await text(admin, "/admin/money/chain")).toContain(`href="${PLEDGE}"`);
});

test("what is no amount, too much, without a reason or not confirmed moves nothing; what was typed stays", async () => {
  const before = await moved();
  for (const usd of ["", "0", "-1", "1e3", "0.0000001", "0.003001", HOSTILE]) {
    const answer = await slash({ usd, confirm: PLEDGED.slice(0, 8) });
    const html = await answer.text();
    expect([usd, answer.status, html.includes('value="forged answers"')]).toEqual([usd, 422, true]);
    expect(html).not.toContain("<script>alert");
  }
  expect((await slash({ reason: " ", confirm: PLEDGED.slice(0, 8) })).status).toBe(422);
  const asked = await slash({ reason: HOSTILE });
  const html = await asked.text();
  expect([asked.status, html.includes("Slash $0.000\u202f500?")]).toEqual([200, true]);
  expect(html).not.toContain("<script>alert");
  expect((await slash({ confirm: "nothing" })).status).toBe(422);
  expect(await moved()).toBe(before);
});

test("a slash that is sent again and again, at once too, takes its amount once and is in the audit log once", async () => {
  const id = idIn(await text(admin, PLEDGE));
  const sure = { id, confirm: PLEDGED.slice(0, 8), reason: HOSTILE };
  const answers = await Promise.all([1, 2, 3].map(() => slash(sure)));
  expect(answers.map(({ status }) => status)).toEqual([303, 303, 303]);
  expect(await moved()).toBe(1);
  const other = await slash({ ...sure, usd: "0.0004" });
  expect(other.status).toBe(409);
  // Or whoever went back to a form that was sent could send nothing from there.
  expect(idIn(await other.text())).not.toBe(id);
  expect(await moved()).toBe(1);
  expect(await text(admin, PLEDGE)).toContain("On its way");
  for (let round = 0; round < 4; round++) {
    await funding.round();
    await chain.on.finalize();
  }
  await funding.round();
  const html = await text(admin, PLEDGE);
  expect(html).toContain("Final");
  expect(html).toContain("$0.002\u202f500");
  expect(html).not.toContain("<script>alert");
  expect((await balanceOf(on.database.db, SYSTEM_ACCOUNTS.slashed)).balance).toBe(500n);
  const log = await on.database.db.query(
    "select action, actor from audit_log where subject = ? and action like 'stake.%' order by action",
    [`node/${PLEDGED}`],
  );
  expect(log.map(([action]) => action)).toEqual(["stake.pledged", "stake.proposed", "stake.slashed"]);
  expect(String(log[1]?.[1])).toStartWith("user/");
});

test("of an enforceable stake the coordinator's half is made once, with who else must sign and how it is sent", async () => {
  const id = idIn(await text(admin, MULTISIG));
  const wanted = { act: "release", usd: "1", reason: "it leaves", id, confirm: HELD.slice(0, 8) };
  const answers = await Promise.all([1, 2].map(() => admin.post(MULTISIG, wanted)));
  expect(answers.map(({ status }) => status)).toEqual([303, 303]);
  await admin.post(MULTISIG, wanted);
  expect(await proposed()).toBe(1);
  const slashing = { act: "slash", usd: "0.5", reason: "forged", confirm: HELD.slice(0, 8) };
  expect((await admin.post(MULTISIG, slashing)).status).toBe(303);
  const html = await text(admin, MULTISIG);
  for (const words of ["Waits for a signature", "the node&#39;s wallet", "the arbiter", arbiter.address])
    expect(html).toContain(words);
  expect(html).toContain("infernet stake submit SIGNED_TRANSACTION");
  const [row] = await on.database.db.query("select wire from stake_proposals where act = 'release'");
  const half = String(row?.[0]);
  expect(html).toContain(half.slice(0, 40));
  const alone = await admin.post(`${MULTISIG}/submit`, { transaction: half });
  expect([alone.status, (await alone.text()).includes("ignatures are missing")]).toEqual([409, true]);
  for (const transaction of ["", "not one", HOSTILE, "A".repeat(4_000)]) {
    const answer = await admin.post(`${MULTISIG}/submit`, { transaction });
    expect(answer.status).toBe(422);
    expect(await answer.text()).not.toContain("<script>alert");
  }
});

test("what the chain has said nothing of for minutes is not told as if it only waited", async () => {
  const words = "it may have landed";
  expect(await text(admin, MULTISIG)).not.toContain(words);
  on.clock.advance(6 * 60_000);
  expect(await text(admin, MULTISIG)).toContain(words);
});

test("a stake is forgotten once", async () => {
  expect((await admin.post(`${MULTISIG}/forget`)).status).toBe(303);
  expect((await admin.post(`${MULTISIG}/forget`)).status).toBe(404);
});
