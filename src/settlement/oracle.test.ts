// The oracle on a real chain: an epoch is published once, and its leaves are proved against what the chain has.
import { expect, test } from "bun:test";
import { fromHex } from "../lib/hex.ts";
import { verifyMerkleProof } from "../protocol/merkle.ts";
import type { Signature } from "../solana/chain.ts";
import { advanceSends } from "./once.ts";
import { closeEpoch, listEpochs, oracleKind, proveLeaf, showEpoch } from "./oracle.ts";
import { type FundingStage, fundingStage } from "./testing/funding-stage.ts";

const DAY = 86_400_000;
const KEY = new Uint8Array(32).fill(7);
const seedOf = async ({ db }: FundingStage) => String((await db.query("select id from once_sends"))[0]?.[0]);
const markerOf = async (stage: FundingStage) =>
  stage.chain.markerAddress(stage.settlement.address, await seedOf(stage));
const NODES = ["aa".repeat(32), "bb".repeat(32), "cc".repeat(32)];

async function work(stage: FundingStage, endedMs: number) {
  let n = 0;
  await stage.db.writer.transact(async (_, execute) => {
    for (const [i, node] of NODES.entries()) {
      const attempt = (outcome: string) => ({
        node,
        outcome,
        dispatched_ms: 100,
        first_delta_ms: 100 + i * 10,
        ended_ms: 1,
      });
      await execute(
        `insert into jobs (id, account_id, kind, model, state, stream, attempts, created_ms, ended_ms)
         values (?, 'local', 'chat', 'm', 'completed', 0, ?, 0, ?)`,
        [`job${n++}/${endedMs}`, JSON.stringify([attempt("completed"), attempt("failed")]), endedMs],
      );
      await execute(
        `insert into receipts (node, seq, attempt, account, gross, node_amount, fee, model, finished_ms, bytes, digest, signature)
         values (?, ?, ?, 'local', 100, 88, 12, 'm', ?, x'', x'', x'')`,
        [node, 1 + endedMs, `a${i}/${endedMs}`, endedMs],
      );
    }
  });
}

test("an epoch is closed and published once; each leaf is proved by the root that the chain has", async () => {
  await using stage = await fundingStage();
  const { db, clock, chain, log, settlement: signer } = stage;
  const deps = { db, clock, epochMs: DAY, markerKey: KEY };
  const send = () => advanceSends({ db, clock, log, chain, signer }, { oracle: oracleKind, slash: oracleKind });
  await work(stage, clock.nowMs());
  clock.advance(DAY + 60_000);
  const epoch = await closeEpoch(deps);
  if (epoch === null) throw new Error("nothing was closed");
  expect(await closeEpoch(deps)).toBeNull();
  await send();
  await stage.on.finalize();
  await send();
  await send();
  const shown = await showEpoch(stage, epoch);
  const landed = await chain.transaction(shown?.signature as Signature);
  expect(landed?.memos).toEqual([`infernet:oracle:1:${DAY}:${epoch}:3:${shown?.root}`]);
  expect(shown?.leaves.map(({ node }) => node)).toEqual(NODES);
  expect(JSON.parse(shown?.leaves[1]?.leaf ?? "")).toEqual({
    ...{ v: 1, epoch, node: NODES[1], attempts: 2, completed: 1, first_token_ms: 10 },
    ...{ receipts: 1, gross: "100", earned: "88" },
  });
  for (const node of NODES) {
    const proof = await proveLeaf(stage, epoch, node);
    if (!proof) throw new Error("no proof");
    const at = { index: proof.index, count: proof.nodes, path: proof.path.map(fromHex) };
    const root = fromHex(landed?.memos[0]?.split(":").at(-1) ?? "");
    expect(verifyMerkleProof(root, fromHex(proof.digest), at)).toBe(true);
    const other = new Bun.CryptoHasher("sha256").update(proof.leaf.replace('"88"', '"89"')).digest();
    expect(verifyMerkleProof(root, new Uint8Array(other), at)).toBe(false);
  }
  expect(await listEpochs(stage, 10)).toHaveLength(1);
  expect(await proveLeaf(stage, epoch, "dd".repeat(32))).toBeNull();
});

test("an epoch is on the chain once, though the database forgot that it was sent", async () => {
  await using stage = await fundingStage();
  const { db, clock, chain, log, settlement: signer } = stage;
  const send = () => advanceSends({ db, clock, log, chain, signer }, { oracle: oracleKind, slash: oracleKind });
  const epoch = await closeEpoch({ db, clock, epochMs: DAY, markerKey: KEY });
  expect(epoch).not.toBeNull();
  await send();
  await stage.on.advance(400);
  const forget = "update once_sends set state = 'planned', wire = null, signature = null";
  await db.writer.transact(async (_, execute) => execute(forget, []));
  await send();
  await stage.on.advance(400);
  const [row] = await db.query("select state from once_sends");
  expect(row).toEqual(["done"]);
  expect(await chain.history(await markerOf(stage))).toHaveLength(1);
});

test("an epoch whose marker's address a stranger took counts as failed, never as published", async () => {
  await using stage = await fundingStage();
  const { db, clock, chain, log, settlement: signer } = stage;
  const send = () => advanceSends({ db, clock, log, chain, signer }, { oracle: oracleKind, slash: oracleKind });
  const epoch = (await closeEpoch({ db, clock, epochMs: DAY, markerKey: KEY })) ?? 0;
  await stage.on.fund(stage.on.admin, await markerOf(stage), 890_880n);
  await stage.on.finalize();
  await send();
  await stage.on.finalize();
  await send();
  expect(await db.query("select state, error from once_sends")).toEqual([
    ["failed", "a stranger took its marker's address"],
  ]);
  expect((await showEpoch(stage, epoch))?.signature).toBeNull();
});

test("an epoch that the chain has with another root is not said to be published", async () => {
  await using stage = await fundingStage();
  const { db, clock, chain, log, settlement: signer } = stage;
  const send = () => advanceSends({ db, clock, log, chain, signer }, { oracle: oracleKind, slash: oracleKind });
  await closeEpoch({ db, clock, epochMs: DAY, markerKey: KEY });
  await send();
  await stage.on.finalize();
  // An older database, put back, that had not got all of it yet.
  await db.writer.transact(async (_, execute) =>
    execute("update once_sends set state = 'planned', wire = null, signature = null, memo = 'other'", []),
  );
  await send();
  const [row] = await db.query("select state, error from once_sends");
  expect(row).toEqual(["failed", expect.stringContaining("this database is older than the chain")]);
});

test("where an epoch's marker is, nobody can tell beforehand", async () => {
  await using stage = await fundingStage();
  const { db, clock } = stage;
  await closeEpoch({ db, clock, epochMs: DAY, markerKey: KEY });
  const seed = await seedOf(stage);
  expect(seed).toMatch(/^[0-9a-f]{32}$/);
  const forget = ["once_sends", "oracle_leaves", "oracle_epochs"];
  const again = async (markerKey: Uint8Array) => {
    for (const table of forget) await db.writer.transact(async (_, execute) => execute(`delete from ${table}`, []));
    await closeEpoch({ db, clock, epochMs: DAY, markerKey });
    return seedOf(stage);
  };
  expect(await again(new Uint8Array(32).fill(8))).not.toBe(seed);
  expect(await again(KEY)).toBe(seed);
});
