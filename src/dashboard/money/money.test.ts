// The pages of money on the real server: what they show, that money moves once and exactly, and that nobody sees what is
// not theirs.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { PROVES } from "../../../web/pages/money/check.tsx";
import { LOCAL_CALLER } from "../../accounts/caller.ts";
import { checkLedger } from "../../admin/check-ledger.ts";
import { booksOf, testNode } from "../../admin/testing/books.ts";
import { type CoordinatorStage, coordinatorStage } from "../../http/testing/coordinator-stage.ts";
import { clientLedger } from "../../ledger/ledger.ts";
import { nodes } from "../../registry/schema.ts";
import { type SignedIn, signedIn } from "../testing/signed-in.ts";

const HOSTILE = '<script>alert(1)</script>"\u202egnp.exe\u0007';
let on: CoordinatorStage;
let admin: SignedIn;
let cleo: SignedIn;
let eve: SignedIn;
const node = testNode(1).pubkey;

beforeEach(async () => {
  on = await coordinatorStage({ dashboard: { billing: "credits" } });
  admin = await signedIn(on, { email: "ada@example.org", roles: ["admin", "operator", "client"] });
  cleo = await signedIn(on);
  eve = await signedIn(on, { email: "eve@example.org" });
});
afterEach(() => on[Symbol.asyncDispose]());

const accountPath = (id: string) => `/admin/money/account?id=${encodeURIComponent(`account/${id}`)}`;
const text = async (person: SignedIn, path: string): Promise<string> => (await person.get(path)).text();
const idIn = (html: string): string => /name="id" value="([0-9a-f-]{36})"/.exec(html)?.[1] ?? "";
const balance = async (id: string): Promise<number> => {
  const [row] = await on.database.db.query("select balance from ledger_accounts where id = ?", [clientLedger(id)]);
  return Number(row?.[0] ?? 0);
};
const move = (fields: Record<string, string>) =>
  admin.post("/admin/money/account", {
    act: "grant",
    account: clientLedger(cleo.accountId),
    reason: "welcome",
    ...fields,
  });

/** A job of Cleo's that a node of Eve's answered. */
async function job(gross = 250n): Promise<string> {
  const { db } = on.database;
  const books = booksOf(db, on.clock.nowMs());
  await db.writer.transact((tx) =>
    tx
      .insert(nodes)
      .values({
        ...{ pubkey: node, role: "provider", name: HOSTILE, status: "approved", accountId: eve.accountId, specs: {} },
        ...{ slots: 1, firstSeenMs: 0, authV2Seen: true },
      } as const)
      .onConflictDoNothing(),
  );
  await books.grant(cleo.accountId, 10_000n);
  const id = (await books.begin(cleo.accountId, 5_000n)) ?? "";
  await books.end(id, [{ node, gross }]);
  on.clock.advance(1_000);
  return id;
}

describe("credit that an admin grants", () => {
  test("is shown exactly, asked for once more, and moved once however often it is sent", async () => {
    const id = idIn(await text(admin, accountPath(cleo.accountId)));
    const asked = await (await move({ id, usd: "$0.000001" })).text();
    expect(asked).toContain("Grant credit: $0.000\u202f001?");
    expect(await balance(cleo.accountId)).toBe(0);
    for (let i = 0; i < 3; i++) expect((await move({ id, usd: "$0.000001", sure: "yes" })).status).toBe(303);
    expect(await balance(cleo.accountId)).toBe(1);
    // The same id for another amount is another movement: refused.
    expect((await move({ id, usd: "5", sure: "yes" })).status).toBe(409);
    expect(await balance(cleo.accountId)).toBe(1);
  });

  test("is refused in words where it is no amount, and what was typed stays", async () => {
    for (const usd of ["", "0", "-1", "1,5", "1e3", "0.0000001", "NaN", "Infinity", "0x10", "１", "99999999999"]) {
      const answer = await move({ usd, sure: "yes" });
      const html = await answer.text();
      expect([usd, answer.status]).toEqual([usd, 422]);
      expect(html).toContain('aria-invalid="true"');
      expect(html).toContain('value="welcome"');
    }
    expect(await balance(cleo.accountId)).toBe(0);
  });

  test("needs a reason, which is harmless wherever it is shown", async () => {
    expect((await move({ usd: "1", reason: "  ", sure: "yes" })).status).toBe(422);
    expect((await move({ usd: "1", reason: HOSTILE, sure: "yes" })).status).toBe(303);
    for (const html of [await text(admin, accountPath(cleo.accountId)), await text(cleo, "/billing")]) {
      expect(html).toContain("&lt;script&gt;alert(1)");
      expect(html).not.toContain("<script>alert");
      expect(html).not.toContain("\u202e");
    }
  });

  test("is taken back by a correction, never below what is there", async () => {
    await move({ usd: "2", sure: "yes" });
    const adjust = { act: "adjust", reason: "too much", sure: "yes" };
    expect((await move({ ...adjust, usd: "-3" })).status).toBe(409);
    expect((await move({ ...adjust, usd: "-0.5" })).status).toBe(303);
    expect(await balance(cleo.accountId)).toBe(1_500_000);
    expect((await checkLedger(on.database.db, on.clock.nowMs())).clean).toBe(true);
  });
});

describe("the account's own pages", () => {
  test("show balance, movements and receipts, and hand out files that add up", async () => {
    const id = await job();
    const html = await text(cleo, "/billing");
    expect(html).toContain("$0.009\u202f750");
    expect(html).toContain(`href="/jobs/${id}"`);
    const file = (await (await cleo.get("/billing/statement?from=1970-01-01&format=json")).json()) as {
      opening_micro_usd: number;
      closing_micro_usd: number;
      statement: { amount_micro_usd: number }[];
    };
    const sum = file.statement.reduce((total, row) => total + row.amount_micro_usd, file.opening_micro_usd);
    expect([sum, file.closing_micro_usd]).toEqual([9_750, 9_750]);
    const csv = await (await cleo.get("/billing/statement?from=1970-01-01&format=csv")).text();
    expect(csv.trim().split("\r\n").at(-1)).toEndWith(",9750");
    const receipts = await text(cleo, "/my/receipts?of=paid");
    expect(receipts).toContain(`/my/receipts/${id}.1`);
  });

  test("a member who is no owner looks on", async () => {
    const member = await signedIn(on, { email: "mel@example.org", member: true });
    expect((await member.get("/billing")).status).toBe(200);
    expect((await member.post("/billing/deposits", { amount: "5" })).status).toBe(403);
  });

  test("a day that is none is told, and hides nothing", async () => {
    await job();
    const html = await text(cleo, "/billing?from=2026-02-31");
    expect(html).toContain("is no day like");
    expect(html).toContain("Statement");
  });
});

test("a receipt is for whoever paid it, with its salt, and for the node's owner, without; for nobody else", async () => {
  const id = await job();
  const path = `/my/receipts/${id}.1`;
  const saltFor = async (person: SignedIn): Promise<string | undefined> => {
    const { receipts } = (await (await person.get(path)).json()) as { receipts: { salt?: string }[] };
    expect(receipts.length).toBe(1);
    return receipts[0]?.salt;
  };
  expect(await saltFor(cleo)).toMatch(/^[0-9a-f]{64}$/);
  expect(await saltFor(eve)).toBeUndefined();
  expect([(await admin.get(path)).status, (await cleo.get("/my/receipts/nothing")).status]).toEqual([404, 404]);
  const lines = async (person: SignedIn, query: string) =>
    (await (await person.get(`/my/receipts/export?${query}`)).text())
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).t);
  expect(await lines(eve, "of=node")).toEqual(["coordinator", "receipt"]);
  expect(await lines(cleo, "of=paid")).toEqual(["coordinator", "receipt"]);
  expect((await cleo.get(`/my/receipts/export?of=node&node=${node}`)).status).toBe(404);
  expect(await text(cleo, `/my/receipts?of=node&node=${node}`)).not.toContain(`${id}.1`);
  expect(await text(cleo, `/my/receipts?of=node&job=${id}`)).not.toContain(`${id}.1`);
  expect(await text(eve, `/my/receipts?of=node&job=${id}`)).toContain(`${id}.1`);
  expect(await text(eve, `/my/receipts?of=node`)).not.toContain(`href="/jobs/${id}"`);
});

test("earnings are the account's own, by node and day", async () => {
  await job();
  const html = await text(eve, "/my/earnings?days=14");
  expect(html).toContain("$0.000\u202f220");
  expect(html).toContain("&lt;script&gt;");
  expect(html).not.toContain("<script>alert");
  expect(await text(cleo, "/my/earnings")).toContain("No nodes yet");
});

test("what was paid outside is noted by whole receipts, once", async () => {
  await job();
  const fields = { act: "settle", account: `node/${node}`, reason: "transfer 17", sure: "yes", id: Bun.randomUUIDv7() };
  for (let i = 0; i < 2; i++) expect((await admin.post("/admin/money/account", fields)).status).toBe(303);
  const html = await text(eve, "/my/earnings");
  expect(html).toContain("Settled outside");
  expect(await text(admin, `/admin/money/account?id=node%2F${node}`)).toContain("Settled outside");
  expect((await admin.post("/admin/money/account", { ...fields, id: Bun.randomUUIDv7() })).status).toBe(409);
});

test("the ledger's check is begun, told of, and each of its checks says what it proves", async () => {
  await job();
  expect(await text(admin, "/admin/money/check")).toContain("Not checked since");
  expect((await admin.post("/admin/money/check")).status).toBe(303);
  let state = await on.dashboard.admin.ledgerCheck({}, LOCAL_CALLER);
  while (state.ok && state.value.running) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    state = await on.dashboard.admin.ledgerCheck({}, LOCAL_CALLER);
  }
  const names = state.ok ? (state.value.last?.checks.map(({ name }) => name) ?? []) : [];
  expect(names.length).toBe(20);
  expect(Object.keys(PROVES).toSorted()).toEqual(names.toSorted());
  const html = await text(admin, "/admin/money/check");
  expect(html).toContain("The books are right");
  expect(html.match(/Holds\. /g)?.length).toBe(20);
});

test("the admin's pages are there, and tell of accounts that are not", async () => {
  await job();
  for (const path of [
    "/admin/money",
    "/admin/money/accounts?kind=node",
    "/admin/money/accounts?q=nobody",
    "/admin/money/payouts",
  ])
    expect([path, (await admin.get(path)).status]).toEqual([path, 200]);
  for (const path of [
    "/admin/money/account?id=account%2Fnone",
    "/admin/money/account",
    "/admin/money/payouts/x",
    "/admin/money/chain",
  ])
    expect([path, (await admin.get(path)).status]).toEqual([path, 404]);
});

describe("where nothing is charged", () => {
  test("an admin is told how to turn it on; for others there is no such page, and nothing can be moved", async () => {
    await using off = await coordinatorStage();
    const [boss, someone] = [
      await signedIn(off, { roles: ["admin"] }),
      await signedIn(off, { email: "x@example.org" }),
    ];
    for (const path of ["/billing", "/my/earnings", "/my/receipts", "/billing/statement"]) {
      expect((await someone.get(path)).status).toBe(404);
      expect(await (await boss.get(path)).text()).toContain("Nothing is charged here");
    }
    const fields = { act: "grant", account: "account/local", usd: "1", reason: "x", sure: "yes" };
    expect((await boss.post("/admin/money/account", fields)).status).toBe(404);
  });
});
