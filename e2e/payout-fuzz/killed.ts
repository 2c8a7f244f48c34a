// Killed: two coordinators as processes of their own on one database, killed by SIGKILL at one effect after the other,
// until enough of them are dead; then the survivors pay the rest.
import path from "node:path";
import { addClient, addNode, earn, type PayoutWorld, payoutWorld } from "../../src/settlement/testing/payout-stage.ts";
import { auditPayouts, type Findings } from "./audit.ts";
import type { ChildInput } from "./child.ts";

const CHILD = path.join(import.meta.dir, "child.ts");
const RICH = 1_000_000_000n;
const NODES = 6;
const CLIENTS = 4;
const BLOCKS_EVERY_MS = 4;

export type KilledResult = { payouts: number; attempts: number; killed: number; effects: number; findings: Findings };

/** Kills so many processes, each one effect later than the one before. */
export async function runKilled(kills: number): Promise<KilledResult> {
  await using world = await payoutWorld({ mode: "instant" });
  const { db, stage, settlement, chain } = world;
  const nodes = await Promise.all(Array.from({ length: NODES }, (_, n) => addNode(db, stage, `${n}`)));
  for (let n = 0; n < CLIENTS; n += 1) {
    const client = await addClient(db, stage, { name: `${n}`, delegate: settlement.address, amount: RICH });
    for (const node of nodes) {
      for (let job = 0; job < 3; job += 1) {
        await earn(db, {
          node: node.pubkey,
          accountId: client.accountId,
          gross: 1_000_003n,
          job: `${n}/${node.pubkey}/${job}`,
        });
      }
    }
  }
  chain.advance(40);
  chain.mode = "mempool";
  const blocks = setInterval(() => chain.advance(6), BLOCKS_EVERY_MS);
  try {
    let killed = 0;
    for (let dieAt = 1; killed < kills; dieAt += 1) {
      const ends = await Promise.all([run(world, nodes, dieAt), run(world, nodes, dieAt + 1)]);
      killed += ends.filter(({ signal }) => signal === "SIGKILL").length;
      if (ends.some(({ signal }) => signal === null)) break;
    }
    const [last] = await Promise.all([run(world, nodes, 0), run(world, nodes, 0)]);
    chain.advance(200);
    const [payouts] = await db.query("select count(*) from payouts");
    const [attempts] = await db.query("select count(*) from payout_attempts");
    const { effects } = JSON.parse(last.out || '{"effects":0}') as { effects: number };
    const counts = { payouts: Number(payouts?.[0]), attempts: Number(attempts?.[0]), killed, effects };
    return { ...counts, findings: await auditPayouts(world, db) };
  } finally {
    clearInterval(blocks);
  }
}

async function run(
  { file, server, stage, seed, feeOwner, treasuryAccount }: PayoutWorld,
  nodes: readonly { pubkey: string; wallet: string }[],
  dieAt: number,
): Promise<{ signal: string | number | null; out: string }> {
  const input: ChildInput = {
    ...{ file, rpcUrl: server.url, mint: stage.mint, seed: Buffer.from(seed).toString("hex"), feeOwner, dieAt },
    treasury: treasuryAccount,
    nodes: nodes.map(({ pubkey, wallet }) => ({ pubkey, wallet })),
  };
  const child = Bun.spawn([process.execPath, CHILD, JSON.stringify(input)], { stdout: "pipe", stderr: "pipe" });
  const [out, said] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  const code = await child.exited;
  if (child.signalCode === null && code !== 0) throw new Error(`a coordinator failed: ${said}`);
  return { signal: child.signalCode, out };
}
