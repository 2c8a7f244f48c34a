// payout, against a coordinator that lies: nothing is agreed to, and it ends.
import { afterEach, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EarningsJson, PayoutJson } from "../../protocol/payouts.ts";
import { pubkeyOf } from "../../protocol/schnorr.ts";
import type { Context } from "../context.ts";
import { runCli } from "../program.ts";

const WALLET = "So11111111111111111111111111111111111111113";
const OTHER = "So11111111111111111111111111111111111111112";
const COORDINATOR = pubkeyOf(new Uint8Array(32).fill(5));
const PLANNED: PayoutJson = {
  ...{ id: "ab".repeat(16), state: "planned", node_amount: 5, fee: 0, receipts: 1_200, root: "cd".repeat(32) },
  ...{ wallet: WALLET, legs: [], reason: null, trouble: null, created_ms: 0, ended_ms: null, signature: null },
};
const EARNINGS: EarningsJson = {
  ...{ billing: "solana", on_chain: true, coin: "USDC", network: "solana", minimum: 0, wallet: WALLET, rows: [] },
  total: { unpaid: 5, in_payout: 0, stuck: 0, paid: 0 },
};
const RECEIPT_KEY = { key: "ab".repeat(32), sig: "ab".repeat(64) };
const PREPARED = { genesis: WALLET, mint: WALLET, coin: "USDC", network: "solana", receipt_key: RECEIPT_KEY };
const RECEIPT = { bytes: Buffer.alloc(387).toString("base64"), signature: Buffer.alloc(64).toString("base64") };

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Answers whatever it is asked for receipts with a full page. Tells which routes were asked. */
function liar(planned: PayoutJson) {
  const asked: string[] = [];
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      const route = new URL(request.url).pathname.replace("/api/v1/node/", "");
      asked.push(route);
      const data = (value: unknown) => Response.json({ data: value });
      if (route === "earnings") return data(EARNINGS);
      if (route === "payouts/prepare") return data({ ...PREPARED, planned: [planned], open: [], nothing: null });
      if (route.endsWith("/receipts"))
        return data({ receipts: Array.from({ length: 500 }, (_, at) => ({ ...RECEIPT, seq: at + 1 })) });
      return data({});
    },
  });
  closing.push(() => server.stop(true));
  return { url: `http://127.0.0.1:${server.port}`, asked };
}

async function payout(url: string, ...args: string[]) {
  const home = mkdtempSync(join(tmpdir(), "infernet-payout-"));
  closing.push(() => rmSync(home, { recursive: true, force: true }));
  chmodSync(home, 0o700);
  const toml = `mode = "node"\n[[node.coordinators]]\nurl = "${url}"\npubkey = "${COORDINATOR}"\n`;
  writeFileSync(join(home, "config.toml"), toml, { mode: 0o600 });
  const ran = { code: -1, out: "", err: "" };
  const context: Context = {
    terminal: {
      out(text) {
        ran.out += text;
      },
      err(text) {
        ran.err += text;
      },
      readStdin: async () => "",
      question: async () => null,
      ...{ stdinIsTty: false, stdoutIsTty: false, stderrIsTty: false, colors: false },
    },
    env: { INFERNET_DATA_DIR: home },
    cwd: home,
    fetch: (to, init) => fetch(to, init),
    nowMs: () => Date.now(),
    onSignal: () => () => undefined,
    shell: async () => 1,
    self: [],
  };
  ran.code = await runCli(["payout", ...args], context);
  return ran;
}
const isAgreement = (route: string) => route.endsWith("/acknowledge");

test("receipts without end are read no further than what was spoken of, and nothing is agreed to", async () => {
  const { url, asked } = liar(PLANNED);
  const { code, err } = await payout(url, "--wallet", WALLET);
  expect([code, err]).toEqual([1, expect.stringContaining("is not right")]);
  expect(asked.filter((route) => route.endsWith("/receipts"))).toHaveLength(3);
  expect(asked.some(isAgreement)).toBe(false);
});

test("a payout of more receipts than there can be is not read at all", async () => {
  const { url, asked } = liar({ ...PLANNED, receipts: 9_000_000 });
  const { code, err } = await payout(url, "--wallet", WALLET);
  expect([code, err]).toEqual([1, expect.stringContaining("answers in another way")]);
  expect(asked.some((route) => route.endsWith("/receipts"))).toBe(false);
});

test("a payout to another wallet is not agreed to", async () => {
  const { url, asked } = liar({ ...PLANNED, wallet: OTHER });
  const { code, err } = await payout(url, "--wallet", WALLET);
  expect([code, err]).toEqual([1, expect.stringContaining(`it pays to ${OTHER}, not to this node's wallet ${WALLET}`)]);
  expect(asked.some(isAgreement)).toBe(false);
});

test("a coordinator that names a wallet is not believed where none was named here", async () => {
  const { url, asked } = liar(PLANNED);
  const { code, err } = await payout(url);
  expect([code, err]).toEqual([1, expect.stringContaining(`would pay ${WALLET}`)]);
  expect(asked).toEqual(["earnings"]);
});
