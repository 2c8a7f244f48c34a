// The page of payouts of a node's own dashboard, on a real server, with a coordinator that keeps count of what it is asked.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDoor } from "../../http/owner/door.ts";
import { startServer } from "../../http/server.ts";
import { identityOf } from "../../identity/keys.ts";
import { MemoryNonces } from "../../identity/nonces.ts";
import { systemClock } from "../../lib/clock.ts";
import { silentLog } from "../../lib/log.ts";
import { nodeAsks } from "../../modes/node-earnings.ts";
import { ownPayouts } from "../../modes/own-payouts.ts";
import type { EarningsJson, PayoutJson } from "../../protocol/payouts.ts";
import { pubkeyOf } from "../../protocol/schnorr.ts";
import { createLive } from "../live.ts";
import { ownPayoutRoutes } from "./payouts.ts";

const WALLET = "So11111111111111111111111111111111111111113";
const OTHER = "So11111111111111111111111111111111111111112";
/** No key has it. */
const VAULT = "4Nd1mBQtrMJVYVfKf2PJy9NZUZdTAsp7D4xWLs4gDB4T";
const HOSTILE = '<script>alert(1)</script>"\u202egnp.exe';
const PAID: PayoutJson = {
  ...{ id: "ab".repeat(16), state: "stuck", node_amount: 5, fee: 0, receipts: 1, root: "cd".repeat(32) },
  ...{ wallet: WALLET, legs: [], reason: HOSTILE, trouble: null, created_ms: 0, ended_ms: null, signature: null },
};

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

let told: EarningsJson;
let asked: [route: string, body: Record<string, unknown>][];
/** What `prepare` has for the node to agree to. */
let planned: PayoutJson[];
/** Holds back a payout's receipts; where nothing is planned, what `prepare` answers. */
let held: PromiseWithResolvers<void> | null;
let url: string;
let headers: Record<string, string>;
let asks: { csrf: string };

function coordinator(): string {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const route = new URL(request.url).pathname.replace("/api/v1/node/", "");
      const body = (await request.json()) as Record<string, unknown>;
      asked.push([route, body]);
      const data = (value: unknown) => Response.json({ data: value });
      if (route === "earnings") return data(told);
      if (route === "payouts/history") return data({ payouts: [PAID] });
      if (route === "payouts/set") {
        told = { ...told, wallet: String(body.address) };
        return data({});
      }
      if (route.endsWith("/receipts")) {
        await held?.promise;
        return data({ receipts: [] });
      }
      if (planned.length === 0) await held?.promise;
      const receipt_key = { key: "ab".repeat(32), sig: "ab".repeat(64) };
      const where = { genesis: WALLET, mint: WALLET, coin: "USDC", network: "solana", receipt_key };
      return data({ ...where, planned, open: [], nothing: { code: "nothing_unpaid", unpaid: 0, minimum: 0 } });
    },
  });
  closing.push(() => server.stop(true));
  return `http://127.0.0.1:${server.port}`;
}

beforeEach(() => {
  told = {
    ...{ billing: "solana", on_chain: true, coin: "USDC", network: "solana", minimum: 0, wallet: null, rows: [] },
    total: { unpaid: 5, in_payout: 0, stuck: 0, paid: 0 },
  };
  asked = [];
  held = null;
  planned = [];
  const made = identityOf(new Uint8Array(32).fill(7));
  if (!made.ok) throw new Error(made.error);
  const identity = made.value;
  const home = mkdtempSync(join(tmpdir(), "infernet-own-payouts-"));
  closing.push(() => rmSync(home, { recursive: true, force: true }));
  const door = createDoor({ clock: systemClock, random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)) });
  const live = createLive({ clock: systemClock, log: silentLog });
  closing.push(() => live.close());
  const pubkey = pubkeyOf(new Uint8Array(32).fill(5));
  const node = { coordinators: [{ url: coordinator(), pubkey }], join_token: null };
  const payouts = ownPayouts({
    config: { node } as unknown as Parameters<typeof ownPayouts>[0]["config"],
    ...{ identity, clock: systemClock, log: silentLog, dir: { file: (name) => join(home, name) } },
    // Answers are held back here for as long as it takes.
    asks: { ...nodeAsks(identity, systemClock), timeoutMs: null },
  });
  const auth = { door, cookies: { tls: false, publicUrl: null }, node: identity.pubkey };
  const server = startServer({
    ...{ log: silentLog, host: "127.0.0.1", port: 0, tls: null, corsOrigins: [], maxBodyBytes: 1 << 20 },
    ...{
      hosts: { allowedHosts: [], publicUrl: null },
      idleTimeoutS: 30,
      clientAuth: null,
      humanAuth: null,
      links: null,
    },
    routes: ownPayoutRoutes({ name: HOSTILE, clock: systemClock, live, auth, payouts }),
    ownerAuth: auth,
    verify: {
      ...{ clock: systemClock, recipient: identity.pubkey, ownKeys: [], acceptV1: false, listeningSinceMs: 0 },
      ...{ keys: { lookup: () => undefined, markV2Seen: () => undefined }, nonces: new MemoryNonces(systemClock) },
    },
  });
  closing.push(() => server.stop());
  url = server.url;
  const token = door.open(door.newLink().secret) ?? "";
  asks = { csrf: door.find(token)?.csrf ?? "" };
  headers = { cookie: `infernet-node-${identity.pubkey.slice(0, 12)}=${token}` };
});

const page = async () => (await fetch(`${url}/payouts`, { headers })).text();
const post = (path: string, fields: Record<string, string> = {}, csrf = asks.csrf) =>
  fetch(url + path, {
    method: "POST",
    redirect: "manual",
    headers: { ...headers, "x-csrf-token": csrf, "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams(fields).toString(),
  });
const calls = (route: string) => asked.filter(([name]) => name === route);

test("nobody without the session or the page's proof sees it or changes anything", async () => {
  const { cookie: _, ...without } = headers;
  expect((await fetch(`${url}/payouts`, { headers: without, redirect: "manual" })).status).toBe(303);
  for (const path of ["/payouts/address", "/payouts/ask"]) expect((await post(path, {}, "wrong")).status).toBe(403);
  expect(asked).toEqual([]);
});

test("an address is looked at, confirmed by how it ends, and set once it is", async () => {
  expect(await page()).toContain("No address: nothing can be paid");
  for (const address of ["", "nothing", HOSTILE, `0x${"ab".repeat(20)}`, "z".repeat(44), "1".repeat(9_000)]) {
    const answer = await post("/payouts/address", { address });
    const html = await answer.text();
    expect([address.slice(0, 20), answer.status, html.includes("no Solana address")]).toEqual([
      address.slice(0, 20),
      422,
      true,
    ]);
    expect(html).not.toContain("<script>alert");
  }
  const asksFirst = await (await post("/payouts/address", { address: ` ${WALLET} ` })).text();
  expect(asksFirst).toContain("Pay to this address?");
  expect(asksFirst).toContain("So11 1111 1111");
  const wrong = await post("/payouts/address", { address: WALLET, end: OTHER.slice(-6) });
  expect([wrong.status, calls("payouts/set")]).toEqual([422, []]);
  expect((await post("/payouts/address", { address: WALLET, end: WALLET.slice(-6) })).status).toBe(303);
  expect(calls("payouts/set")).toEqual([["payouts/set", { coin: "USDC", network: "solana", address: WALLET }]]);
  expect(await page()).toContain("Change the address");
});

test("an address without a private key is refused until it is said to be a vault", async () => {
  const refused = await post("/payouts/address", { address: VAULT, end: VAULT.slice(-6) });
  expect([refused.status, (await refused.text()).includes("No private key belongs")]).toEqual([422, true]);
  expect(calls("payouts/set")).toEqual([]);
  expect((await post("/payouts/address", { address: VAULT, vault: "on", end: VAULT.slice(-6) })).status).toBe(303);
  expect(calls("payouts/set").length).toBe(1);
});

test("pressed twice it asks once; a coordinator that would pay another address is found out", async () => {
  await post("/payouts/address", { address: WALLET, end: WALLET.slice(-6) });
  held = Promise.withResolvers();
  const both = await Promise.all([post("/payouts/ask"), post("/payouts/ask")]);
  expect(both.map(({ status }) => status).toSorted()).toEqual([303, 409]);
  expect(await page()).toContain("Under way, asked for");
  held.resolve();
  while ((await page()).includes("Under way")) await new Promise<void>((resolve) => setImmediate(resolve));
  expect(calls("payouts/prepare")).toEqual([["payouts/prepare", { wallet: WALLET }]]);
  expect(await page()).toContain("nothing more is unpaid");
  told = { ...told, wallet: OTHER };
  await post("/payouts/ask");
  while ((await page()).includes("Under way")) await new Promise<void>((resolve) => setImmediate(resolve));
  expect(await page()).toContain(`would pay ${OTHER}, not ${WALLET}`);
  expect(calls("payouts/prepare").length).toBe(1);
});

test("an address that is set while receipts are read is the one that counts: nothing is agreed to for the old one", async () => {
  const setTo = (address: string) => post("/payouts/address", { address, vault: "on", end: address.slice(-6) });
  await setTo(WALLET);
  planned = [{ ...PAID, state: "planned", reason: null }];
  held = Promise.withResolvers();
  await post("/payouts/ask");
  while (calls(`payouts/${PAID.id}/receipts`).length === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  await setTo(OTHER);
  held.resolve();
  while ((await page()).includes("Under way")) await new Promise<void>((resolve) => setImmediate(resolve));
  expect(await page()).toContain(`another address than ${WALLET} was set meanwhile`);
  expect(calls(`payouts/${PAID.id}/acknowledge`)).toEqual([]);
});

test("a coordinator's own idea of where to pay is not agreed to where nobody set an address here", async () => {
  told = { ...told, wallet: OTHER };
  expect(await page()).toContain("Not set on this machine");
  await post("/payouts/ask");
  while ((await page()).includes("Under way")) await new Promise<void>((resolve) => setImmediate(resolve));
  expect(await page()).toContain(`would pay ${OTHER}`);
  expect(calls("payouts/prepare")).toEqual([]);
});

test("what coordinators say is text", async () => {
  told = { ...told, wallet: HOSTILE };
  const html = await page();
  expect(html).toContain("&lt;script&gt;");
  expect(html).not.toContain("<script>alert");
  expect(html).not.toContain("\u202e");
});

test("where no coordinator pays on a chain there is nothing to set or to ask for", async () => {
  told = { ...told, on_chain: false };
  const html = await page();
  for (const form of ['action="/payouts/address"', 'action="/payouts/ask"']) expect(html).not.toContain(form);
});
