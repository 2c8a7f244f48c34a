// Endpoints: several RPC URLs as one, when some of them fail, lag, hang or serve another cluster.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createLocalChain, type LocalChain } from "../../e2e/local-chain/chain.ts";
import { FAULTS } from "../../e2e/local-chain/faults.ts";
import { type ChainServer, serveChain } from "../../e2e/local-chain/server.ts";
import { chainStage } from "../../e2e/local-chain/stage.ts";
import { manualClock } from "../lib/clock.ts";
import type { Chain } from "./chain.ts";
import { ChainUnreachable } from "./chain.ts";
import { connectChain } from "./connect.ts";
import { solanaSigner } from "./signer.ts";
import { forgetfulCluster, NO_PRIORITY_FEE } from "./testing/solana-stage.ts";

const TIMEOUT_MS = 3_000;
const clock = manualClock();
let local: LocalChain;
let servers: [ChainServer, ChainServer];
let chain: Chain;

async function connect(urls: string[], mint: Chain["mint"], genesis: string | null = null) {
  const settings = { rpcUrls: urls, mint, priorityFee: NO_PRIORITY_FEE, timeoutMs: TIMEOUT_MS };
  const connected = await connectChain({ clock, cluster: forgetfulCluster(genesis) }, settings);
  if (!connected.ok) throw new Error(connected.error.message);
  return connected.value;
}

beforeEach(async () => {
  local = createLocalChain();
  servers = [serveChain(local), serveChain(local)];
  const on = await chainStage(servers[0].url);
  await on.finalize();
  chain = await connect([servers[0].url, servers[1].url], on.mint);
  for (const { calls } of servers) calls.clear();
});
afterEach(async () => {
  for (const server of servers) await server[Symbol.asyncDispose]();
});

const states = () => chain.endpoints().map(({ state }) => state);
const asked = () => servers.map(({ calls }) => calls.get("getMinimumBalanceForRentExemption") ?? 0);
const ask = () => chain.rentExempt(0);

describe("a call is answered by the next server", () => {
  test.each(["http503", "http429", "timeout", "node-behind"] as const)("when the first fails: %s", async (fault) => {
    servers[0].faults.add({ fault });
    expect(await ask()).toBe(890_880n);
    expect(asked()).toEqual([1, 1]);
    expect(states()).toEqual(["failing", "ok"]);
  });

  test("when the first does not answer in time", async () => {
    servers[0].faults.add({ fault: "hang" });
    const arrived = new Promise<void>((resolve) => servers[0].faults.onStrike(() => resolve()));
    const answer = ask();
    await arrived;
    clock.advance(TIMEOUT_MS);
    expect(await answer).toBe(890_880n);
    expect(chain.endpoints()[0]?.error).toContain("no answer in 3000 ms");
  });

  test("when the first is gone", async () => {
    await servers[0][Symbol.asyncDispose]();
    expect(await ask()).toBe(890_880n);
    expect(states()).toEqual(["failing", "ok"]);
  });
});

test.each([
  "",
  "null",
  "<html>busy</html>",
  "{}",
  '{"jsonrpc":"2.0","id":"1","error":{"code":-32429,"message":"rate limited"}}',
  '{"jsonrpc":"2.0","id":"1","result":',
])("a server that answers %j has not answered", async (body) => {
  using odd = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response(body) });
  const both = await connect([odd.url.href, servers[1].url], chain.mint);
  expect(await both.rentExempt(0)).toBe(890_880n);
  expect(both.endpoints().map(({ state }) => state)).toEqual(["failing", "ok"]);
});

test("state from before the clock that was read is no answer", async () => {
  await using behind = serveChain(createLocalChain());
  const there = await chainStage(behind.url);
  await there.finalize();
  local.advance(500);
  const both = await connect([servers[1].url, behind.url], chain.mint);
  servers[1].faults.add({ fault: "http503", method: "getMultipleAccounts" });
  expect(await both.finalized([chain.mint]).catch((fault) => fault)).toBeInstanceOf(ChainUnreachable);
  const state = await both.finalized([chain.mint]);
  expect(state.stateSlot).toBeGreaterThanOrEqual(state.slot);
});

describe("a server that failed", () => {
  test("is left alone for a while that grows, then asked again", async () => {
    servers[0].faults.add({ fault: "http503", times: 2 });
    await ask();
    await ask();
    expect(asked()).toEqual([1, 2]);
    clock.advance(1_000);
    await ask();
    expect(asked()).toEqual([2, 3]);
    clock.advance(1_999);
    await ask();
    expect(asked()).toEqual([2, 4]);
    clock.advance(1);
    await ask();
    expect(asked()).toEqual([3, 4]);
    expect(states()).toEqual(["ok", "ok"]);
  });

  test("is asked all the same when no other answers", async () => {
    servers[0].faults.add({ fault: "http503" });
    await ask();
    servers[1].faults.add({ fault: "http503" });
    expect(await ask()).toBe(890_880n);
  });
});

describe("when no server answers", () => {
  test("it is thrown, and is evidence of nothing", async () => {
    for (const { faults } of servers) faults.add({ fault: "http503", times: 100 });
    for (const call of [
      () => chain.finalized([chain.mint]),
      () => chain.statuses([]),
      () => chain.history(chain.mint),
    ]) {
      const outcome = await call().catch((fault) => fault);
      if (Array.isArray(outcome)) expect(outcome).toEqual([]);
      else expect(outcome).toBeInstanceOf(ChainUnreachable);
    }
  });

  test("it says of each server what is wrong, without the keys that URLs carry", async () => {
    const url = new URL(servers[1].url);
    url.pathname = "/v2/secret-key";
    const keyed = await connect([url.href], chain.mint);
    servers[1].faults.add({ fault: "http503", times: 100 });
    const fault: Error = await keyed.rentExempt(0).then(
      () => new Error("it answered"),
      (error) => error,
    );
    expect(fault.message).toContain(`${url.origin}: HTTP 503`);
    expect(fault.message).not.toContain("secret-key");
    expect(JSON.stringify(keyed.endpoints())).not.toContain("secret-key");
  });

  test("a transaction that one server took before its gateway gave up lands once", async () => {
    const payer = await chainStage(servers[0].url, { label: "payer" });
    const { wire, signature } = await signedMemo(payer);
    servers[0].faults.add({ fault: "land-then-timeout", method: "sendTransaction" });
    expect(await chain.send(wire)).toEqual({ ok: true, value: signature });
    expect(local.history.find(signature)).toBeDefined();
  });
});

async function signedMemo(on: Awaited<ReturnType<typeof chainStage>>) {
  const signer = await solanaSigner(on.admin.seed);
  const instructions = [chain.instructions.memo("once")];
  const prepared = await chain.prepare({ feePayer: signer.address, instructions, signers: [signer] });
  if (!prepared.ok) throw new Error(prepared.error.code);
  return prepared.value;
}

describe("a server of another cluster", () => {
  test("is never believed, whichever place it has", async () => {
    const other = createLocalChain({ genesis: "another" });
    await using foreign = serveChain(other);
    const mixed = await connect([foreign.url, servers[1].url], chain.mint, local.genesisHash);
    expect(mixed.endpoints().map(({ state }) => state)).toEqual(["other_cluster", "ok"]);
    servers[1].faults.add({ fault: "http503", times: 100 });
    expect(await mixed.rentExempt(0).catch((fault) => fault)).toBeInstanceOf(ChainUnreachable);
    expect([...foreign.calls.keys()]).toEqual(["getGenesisHash"]);
  });
});

test("every fault that the local chain knows is survived by asking again", async () => {
  for (const fault of FAULTS.filter((each) => each !== "hang")) {
    servers[0].faults.add({ fault });
    expect(await ask()).toBe(890_880n);
    clock.advance(60_000);
    servers[0].faults.clear();
  }
});
