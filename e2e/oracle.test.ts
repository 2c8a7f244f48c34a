// The oracle with the compiled file on real programs: an epoch is published by itself, and a leaf is proved against it.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Signature } from "@solana/web3.js";
import { openDatabase } from "../src/db/open.ts";
import { fromHex } from "../src/lib/hex.ts";
import { verifyMerkleProof } from "../src/protocol/merkle.ts";
import { faultsOf } from "./harness/money.ts";
import { type Json, MODEL, openPaidWorld, type PaidWorld, waitOnChain } from "./harness/paid-world.ts";
import { openStage, type Stage } from "./harness/stage.ts";

/** The longest there is: no test runs while one ends. */
const EPOCH_H = 8_760;
const EPOCH_MS = EPOCH_H * 3_600_000;
const EPOCH = Math.floor(Date.now() / EPOCH_MS) - 1;
const JOBS = 3;

let stage: Stage;
let world: PaidWorld;
beforeAll(async () => {
  stage = await openStage();
  world = await openPaidWorld(stage);
  await world.books.grant(1_000_000);
  const chat = { model: MODEL, messages: [{ role: "user", content: "Hello?" }], max_tokens: 10 };
  for (let n = 0; n < JOBS; n += 1)
    expect((await world.ask("/v1/chat/completions", { method: "POST", body: chat })).status).toBe(200);
  await world.books.settled();
  await restartLater();
});
afterAll(() => stage.close());

/** As if the jobs had ended in the last epoch (receipts cannot be moved), and the oracle is switched on now. */
async function restartLater(): Promise<void> {
  const { coordinator } = world;
  const { dataDirectory, url } = coordinator;
  await coordinator.stop();
  const db = await openDatabase({ path: join(dataDirectory, "infernet.db") });
  const endedMs = EPOCH * EPOCH_MS + EPOCH_MS / 2;
  await db.writer.transact(async (_, execute) => execute("update jobs set ended_ms = ?", [endedMs]));
  await db.close();
  const config = `${readFileSync(join(dataDirectory, "config.toml"), "utf8")}\n[oracle]\nepoch_hours = ${EPOCH_H}\n`;
  world.coordinator = await stage.start({
    ...{ mode: "coordinator", dataDirectory, config, port: Number(new URL(url).port) },
  });
}

const oracle = async (path = ""): Promise<{ status: number; json: Json }> => {
  const response = await fetch(`${world.coordinator.url}/api/v1/oracle/epochs${path}`);
  return { status: response.status, json: await response.json() };
};

test("the last epoch is on the chain, without anybody's asking, as everybody is told", async () => {
  const published = await waitOnChain(world, "the epoch to be published", async () => {
    const [only] = (await oracle()).json.epochs;
    return only?.signature ? (only as Json) : undefined;
  });
  expect(published).toMatchObject({ epoch: EPOCH, nodes: 1, start_ms: EPOCH * EPOCH_MS });
  const config = { encoding: "json", maxSupportedTransactionVersion: 0 } as const;
  const landed = await world.on.rpc.getTransaction(published.signature as Signature, config).send();
  expect(landed?.meta?.logMessages?.join("\n")).toContain(
    `infernet:oracle:1:${EPOCH_MS}:${EPOCH}:1:${published.root as string}`,
  );
});

test("a node's leaf says what it did, and is proved by the root; another is not", async () => {
  const [published] = (await oracle()).json.epochs;
  const [{ node } = { node: "" }] = await world.books.receipts();
  const { json: proof } = await oracle(`/${EPOCH}/nodes/${node}`);
  expect(JSON.parse(proof.leaf)).toMatchObject({ node, epoch: EPOCH, attempts: JOBS, completed: JOBS });
  const root = fromHex(published.root);
  const at = { index: proof.index, count: proof.nodes, path: proof.path.map(fromHex) };
  const digestOf = (leaf: string) => new Uint8Array(new Bun.CryptoHasher("sha256").update(leaf).digest());
  expect(verifyMerkleProof(root, digestOf(proof.leaf), at)).toBe(true);
  expect(
    verifyMerkleProof(root, digestOf(proof.leaf.replace(`"completed":${JOBS}`, `"completed":${JOBS + 1}`)), at),
  ).toBe(false);
  expect((await oracle(`/${EPOCH}`)).json.leaves).toEqual([{ node, leaf: proof.leaf }]);
});

test("what is not there is said to be so", async () => {
  const unknown = ["/0", "/-1", "/1e3", `/${EPOCH + 1}`, `/${EPOCH}/nodes/${"ab".repeat(32)}`, `/${EPOCH}/nodes/x'--`];
  for (const path of unknown) expect([path, (await oracle(path)).status]).toEqual([path, 404]);
  expect((await oracle(`?before=${EPOCH}`)).json.epochs).toEqual([]);
  expect(faultsOf(await world.books.check())).toEqual([]);
});
