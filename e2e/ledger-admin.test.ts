// What an admin does with money and sees of it: credit given and corrected, statements, usage, the audit log, and the
// proof that the books are right, with the compiled executable; while the coordinator runs, and while it is down.

import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Output } from "../src/admin/operations.ts";
import { client } from "./harness/client.ts";
import { command, commandJson, createKey, type Instance } from "./harness/instance.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const MODEL = "scripted-model";
/** µ$ for each token of output: the scripted answer has six. */
const TOKEN = 50;
const GROSS = 6 * TOKEN;
const [NODE_SHARE, FEE] = [264, 36];

let stage: Stage;
let coordinator: Instance;
let key: string;
let node: string;
let jobs = 0;
const json = <T>(args: string[]): Promise<T> => commandJson<T>(stage.executable, coordinator.dataDirectory, args);
const run = (args: string[]) => command(stage.executable, coordinator.dataDirectory, args);
const balances = async (account?: string) =>
  (await json<Output<"listBalances">>(["credits", "show", ...(account ? [account] : [])])).accounts;
type StatementRow = Output<"readStatement">["rows"][number];
type Statement = { opening_micro_usd: number; closing_micro_usd: number; rows: StatementRow[] };
const ask = async (path: string): Promise<Response> =>
  fetch(`${coordinator.url}${path}`, { headers: { authorization: `Bearer ${key}` } });

beforeAll(async () => {
  stage = await openStage();
  const config = `[coordinator]\nprice_output_max = ${TOKEN * 1_000_000}\n[billing]\nmode = "credits"\nfee_bps = 1200\n`;
  ({ coordinator, key } = await stage.coordinator(config));
  const backend = stage.backend();
  const prices = `price_input = 0\nprice_output = ${TOKEN * 1_000_000}`;
  await stage.node(coordinator, [backend.url], `[node]\nprobe = false\n${prices}`);
  await stage.served(coordinator, MODEL);
  const { nodes } = await json<Output<"listNodes">>(["nodes", "list"]);
  node = nodes[0]?.pubkey ?? "";
});
afterAll(() => stage.close());

async function chats(count: number): Promise<void> {
  const api = client(() => coordinator.url, key, MODEL);
  for (let n = 0; n < count; n += 1) {
    const response = await api.chat({ max_tokens: 6 });
    expect(response.status).toBe(200);
    await response.text();
  }
  jobs += count;
}
const settled = () =>
  waitFor("the jobs to be settled", async () => {
    const [earned] = await balances(`node/${node}`);
    return earned !== undefined && earned.balance_micro_usd > 0 && (await balances("local"))[0]?.held_micro_usd === 0;
  });

describe("while the coordinator runs", () => {
  test("credit that is given can be spent, and the same id gives it once", async () => {
    const grant = ["credits", "grant", "local", "1.5", "--reason", "=first() month", "--id", "2026-03"];
    const first = await json<Output<"grantCredits">>(grant);
    expect(first).toMatchObject({ account: "account/local", balance_micro_usd: 1_500_000, repeated: false });
    expect(await json<Output<"grantCredits">>(grant)).toMatchObject({ balance_micro_usd: 1_500_000, repeated: true });
    const other = await run(["credits", "grant", "local", "2", "--reason", "x", "--id", "2026-03"]);
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining("used for something else") });
    await chats(3);
    await settled();
    const [account] = await balances("local");
    expect(account).toMatchObject({
      available_micro_usd: 1_500_000 - 3 * GROSS,
      held_micro_usd: 0,
      funding: "credits",
    });
  });

  test("a correction needs a reason, and leaves what is held", async () => {
    expect(await run(["credits", "adjust", "local", "1"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("--reason"),
    });
    const reason = ["--reason", "too much"];
    const taken = await json<Output<"adjustCredits">>(["credits", "adjust", "local", "-0.5", ...reason]);
    expect(taken).toMatchObject({ amount_micro_usd: -500_000, balance_micro_usd: 1_000_000 - 3 * GROSS });
    const tooMuch = await run(["credits", "adjust", "local", "-5", ...reason]);
    expect(tooMuch).toMatchObject({ code: 1, stderr: expect.stringContaining("less than that") });
    expect(await run(["credits", "grant", "local", "0.0000001", "--reason", "x"])).toMatchObject({ code: 2 });
    expect(await run(["credits", "grant", "nobody", "1", "--reason", "x"])).toMatchObject({ code: 1 });
  });

  test("statements of a client and a node tell where the money went", async () => {
    const mine = await json<Statement>(["credits", "statement", "local"]);
    expect(mine).toMatchObject({ opening_micro_usd: 0, closing_micro_usd: 1_000_000 - 3 * GROSS });
    expect(mine.rows.map(({ kind, amount_micro_usd }) => [kind, amount_micro_usd])).toEqual([
      ["grant", 1_500_000],
      ...Array.from({ length: 3 }, () => ["settlement", -GROSS]),
      ["adjustment", -500_000],
    ]);
    expect(mine.rows[1]?.counterparts).toContain(`node/${node}`);
    const earned = await json<Statement>(["credits", "statement", node]);
    expect(earned).toMatchObject({ opening_micro_usd: 0, closing_micro_usd: 3 * NODE_SHARE });
    const csv = await run(["credits", "statement", "local", "--csv"]);
    const lines = csv.stdout.split("\r\n");
    expect(lines[0]).toBe("at,kind,cause,counterpart,reason,model,amount_micro_usd,balance_micro_usd");
    expect(lines[2]).toContain(",'=first() month,,1500000,1500000");
    expect(lines).toHaveLength(1 + 2 + 5 + 1);
    const before = await json<Statement>(["credits", "statement", "local", "--month", "2020-01"]);
    expect(before).toMatchObject({ opening_micro_usd: 0, closing_micro_usd: 0, rows: [] });
  });

  test("usage is counted by key, model and day", async () => {
    type Usage = { rows: { model: string; requests: number; completion_tokens: number; charged_micro_usd: number }[] };
    const usage = await json<Usage>(["usage", "--by", "model,day"]);
    expect(usage.rows).toMatchObject([
      { model: MODEL, requests: 3, completion_tokens: 18, charged_micro_usd: 3 * GROSS },
    ]);
    expect((await run(["usage", "--by", "model", "--csv"])).stdout).toBe(
      `model,requests,completed,prompt_tokens,completion_tokens,charged_micro_usd\r\n${MODEL},3,3,${3 * 7},18,${3 * GROSS}\r\n`,
    );
    expect(await run(["usage", "--by", "weather"])).toMatchObject({ code: 2 });
  });

  test("a client sees its own over the API", async () => {
    const available_micro_usd = 1_000_000 - 3 * GROSS;
    expect(await (await ask("/api/v1/credits")).json()).toMatchObject({
      data: { account: "local", available_micro_usd },
    });
    expect(await (await ask("/api/v1/usage?by=model")).json()).toMatchObject({
      usage: [{ model: MODEL, requests: 3 }],
    });
    const statement = (await (await ask("/api/v1/statement")).json()) as { statement: unknown[] };
    expect(statement).toMatchObject({ opening_micro_usd: 0, closing_micro_usd: available_micro_usd });
    expect(statement.statement).toHaveLength(5);
    const csv = await ask("/api/v1/statement?format=csv");
    expect(csv.headers.get("content-type")).toStartWith("text/csv");
    expect((await csv.text()).split("\r\n")).toHaveLength(9);
    expect((await ask("/api/v1/usage?by=account")).status).toBe(400);
    expect((await ask("/api/v1/usage?from=yesterday")).status).toBe(400);
    expect((await fetch(`${coordinator.url}/api/v1/credits`)).status).toBe(401);
  });

  test("what a node was paid outside is owed no more", async () => {
    const settledOutside = ["credits", "settle-outside", node, "--reason", "by bank", "--id", "bank-1"];
    const done = await json<Output<"settleOutside">>(settledOutside);
    expect(done).toMatchObject({ amount_micro_usd: 3 * NODE_SHARE, receipts: 3, repeated: false });
    expect((await json<Output<"settleOutside">>(settledOutside)).repeated).toBe(true);
    expect((await balances(`node/${node}`))[0]).toMatchObject({ balance_micro_usd: 0 });
    expect((await balances("platform/fees"))[0]).toMatchObject({ balance_micro_usd: 3 * FEE });
  });

  test("all of it is in the audit log, which verifies against a head that was kept", async () => {
    const { entries } = await json<Output<"listAudit">>(["audit", "list", "--action", "credits"]);
    expect(entries.map(({ action, actor }) => [action, actor])).toEqual([
      ["credits.adjusted", "local"],
      ["credits.granted", "local"],
    ]);
    const head = (await run(["audit", "head"])).stdout.trim();
    await createKey(stage.executable, coordinator, "another");
    const verified = await run(["audit", "verify", "--head", head]);
    expect(verified).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+ entries hold/) });
    const [seq = ""] = head.split(":");
    const wrong = await run(["audit", "verify", "--head", `${seq}:${"0".repeat(64)}`]);
    expect(wrong).toMatchObject({ code: 1, stdout: expect.stringContaining("made anew") });
  });

  test("doctor --ledger proves the books right, also while jobs run", async () => {
    const [report] = await Promise.all([run(["doctor", "--ledger"]), chats(2)]);
    expect(report).toMatchObject({ code: 0, stderr: "" });
    expect(report.stdout).toContain("each transaction's entries sum to zero");
    expect(report.stdout).not.toContain("✗");
  });
});

describe("while it is down", () => {
  test("doctor --ledger and audit verify work on the database itself", async () => {
    await settled();
    await coordinator.stop();
    const report = await json<{ good: boolean; checks: { name: string; looked: number }[] }>(["doctor", "--ledger"]);
    expect(report.good).toBe(true);
    expect(report.checks.find(({ name }) => name.startsWith("each receipt holds"))?.looked).toBe(jobs);
    expect(await run(["audit", "verify"])).toMatchObject({ code: 0 });
    const given = await json<Output<"grantCredits">>(["credits", "grant", "local", "1", "--reason", "while down"]);
    expect(given).toMatchObject({ repeated: false });
  });

  test("a row that somebody changed is named", async () => {
    const directory = join(stage.directory("tampered"), "data");
    mkdirSync(directory, { mode: 0o700 });
    copyFileSync(join(coordinator.dataDirectory, "infernet.db"), join(directory, "infernet.db"));
    const tampered = new Database(join(directory, "infernet.db"));
    tampered.run("UPDATE ledger_accounts SET balance = balance + 1000000 WHERE id = 'account/local'");
    tampered.run("DROP TRIGGER audit_log_not_changed");
    tampered.run("UPDATE audit_log SET actor = 'user/nobody' WHERE seq = 2");
    tampered.close();
    const report = await command(stage.executable, directory, ["--mode", "coordinator", "doctor", "--ledger"]);
    expect(report.code).toBe(1);
    expect(report.stdout).toContain("account account/local: its balance is");
    expect(report.stdout).toContain("audit_log_not_changed");
    expect(report.stdout).toContain("row 2 was changed");
    const verified = await command(stage.executable, directory, ["--mode", "coordinator", "audit", "verify"]);
    expect(verified).toMatchObject({ code: 1, stdout: expect.stringContaining("row 2 was changed") });
  });
});
