// Connect: what is refused at start, with the mend.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { createLocalChain, type LocalChain } from "../../e2e/local-chain/chain.ts";
import { type ChainServer, serveChain } from "../../e2e/local-chain/server.ts";
import { type ChainStage, chainStage } from "../../e2e/local-chain/stage.ts";
import { testDatabase } from "../db/test-database.ts";
import { manualClock } from "../lib/clock.ts";
import type { Address } from "./chain.ts";
import { clusterMemory } from "./cluster.ts";
import { type ChainSettings, connectChain } from "./connect.ts";
import { forgetfulCluster, NO_PRIORITY_FEE } from "./testing/solana-stage.ts";

const clock = manualClock();
let local: LocalChain;
let server: ChainServer;
let on: ChainStage;
beforeEach(async () => {
  local = createLocalChain();
  server = serveChain(local);
  on = await chainStage(server.url);
  local.finalize();
});
afterEach(() => server[Symbol.asyncDispose]());

const connect = (more: Partial<ChainSettings> = {}, cluster = forgetfulCluster()) =>
  connectChain(
    { clock, cluster },
    { rpcUrls: [server.url], mint: on.mint, priorityFee: NO_PRIORITY_FEE, timeoutMs: 1_000, ...more },
  );

test("a mint of six decimals is taken, with the cluster's genesis hash", async () => {
  const connected = await connect();
  if (!connected.ok) throw new Error(connected.error.message);
  expect(connected.value).toMatchObject({ mint: on.mint, decimals: 6, genesisHash: local.genesisHash });
  expect(connected.value.endpoints()).toEqual([{ url: server.url, state: "ok", error: null, retryAtMs: null }]);
});

test("a mint of other decimals is refused, and so is what is no mint", async () => {
  const nine = await on.createMint(9);
  const account = await on.ata(on.admin.address);
  local.finalize();
  expect(await connect({ mint: nine })).toMatchObject({
    error: { code: "wrong_mint", message: expect.stringContaining("has 9 decimals") },
  });
  const nothing = "So11111111111111111111111111111111111111113" as Address;
  for (const mint of [account, on.admin.address, nothing])
    expect(await connect({ mint })).toMatchObject({
      error: { code: "wrong_mint", message: expect.stringContaining("is no mint") },
    });
});

test("a refused mint does not bind the database to its cluster", async () => {
  const cluster = forgetfulCluster();
  await connect({ mint: on.admin.address }, cluster);
  expect(await cluster.genesisHash()).toBeNull();
});

test("another cluster behind the same configuration is refused, by the database's memory", async () => {
  await using base = await testDatabase();
  const cluster = clusterMemory({ db: base.db, clock });
  expect((await connect({}, cluster)).ok).toBe(true);
  expect((await connect({}, clusterMemory({ db: base.db, clock }))).ok).toBe(true);
  await using other = serveChain(createLocalChain({ genesis: "another" }));
  const refused = await connect({ rpcUrls: [other.url] }, cluster);
  expect(refused).toMatchObject({ error: { code: "other_cluster", hint: expect.stringContaining("data directory") } });
  expect(await cluster.genesisHash()).toBe(local.genesisHash);
});

test("two coordinators that start on an empty database agree on one cluster", async () => {
  await using base = await testDatabase();
  const other = createLocalChain({ genesis: "another" });
  await using otherServer = serveChain(other);
  await (await chainStage(otherServer.url)).finalize();
  const outcomes = await Promise.all(
    [server.url, otherServer.url].map((url) => connect({ rpcUrls: [url] }, clusterMemory({ db: base.db, clock }))),
  );
  expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1);
  expect(outcomes.flatMap((outcome) => (outcome.ok ? [] : [outcome.error.code]))).toEqual(["other_cluster"]);
});

test("a chain that cannot be reached is its own refusal, and proves nothing of the mint", async () => {
  server.faults.add({ fault: "http503", times: 10 });
  expect(await connect()).toMatchObject({
    error: { code: "chain_unreachable", message: expect.stringContaining("503") },
  });
});

test("a chain that is away at the start is there later, where the database knows its cluster", async () => {
  const known = forgetfulCluster(local.genesisHash);
  server.faults.add({ fault: "http503", times: 10 });
  const connected = await connect({}, known);
  if (!connected.ok) throw new Error(connected.error.message);
  const { genesisHash, finalized } = connected.value;
  expect(genesisHash).toBe(local.genesisHash);
  expect(await finalized([]).catch((fault) => fault.name)).toBe("ChainUnreachable");
  server.faults.clear();
  expect((await finalized([on.mint])).get(on.mint)).not.toBeNull();
});

test("a wrong mint that could not be looked at the start is not worked with later", async () => {
  const mint = await on.createMint(9);
  local.finalize();
  const known = forgetfulCluster(local.genesisHash);
  server.faults.add({ fault: "http503", times: 10 });
  const connected = await connect({ mint }, known);
  if (!connected.ok) throw new Error(connected.error.message);
  server.faults.clear();
  for (let n = 0; n < 2; n += 1)
    expect(await connected.value.finalized([]).catch((fault) => fault.message)).toContain("has 9 decimals");
});

test("another cluster is refused, also where the database's own is known and does not answer", async () => {
  await using other = serveChain(createLocalChain({ genesis: "another" }));
  server.faults.add({ fault: "http503", times: 10 });
  const refused = await connect({ rpcUrls: [server.url, other.url] }, forgetfulCluster(local.genesisHash));
  expect(refused).toMatchObject({ error: { code: "other_cluster" } });
});
