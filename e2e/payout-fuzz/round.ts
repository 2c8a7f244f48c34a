// Round: one chain, one database, some nodes and clients, one or two coordinators, and everything that goes wrong.
import { copyFileSync, rmSync } from "node:fs";
import { payoutMemo } from "../../src/protocol/merkle.ts";
import { type AdvanceDeps, advancePayout } from "../../src/settlement/advance.ts";
import { payoutsIn } from "../../src/settlement/payouts.ts";
import { type PlanRules, planPayouts } from "../../src/settlement/plan.ts";
import { reclaimRent } from "../../src/settlement/reclaim.ts";
import { retryStuck } from "../../src/settlement/set-aside.ts";
import {
  addClient,
  addCreditor,
  addNode,
  type Client,
  earn,
  type Node,
  openStageDatabase,
  type PayoutWorld,
  payoutWorld,
} from "../../src/settlement/testing/payout-stage.ts";
import type { Chain } from "../../src/solana/chain.ts";
import type { Snapshot } from "../local-chain/chain.ts";
import type { Fault } from "../local-chain/faults.ts";
import { type Ablation, ablatedClient, ablatedPayouts, type EarlyReads } from "./ablations.ts";
import { auditPayouts, type Findings } from "./audit.ts";
import { breakableChain, breakableDb, Crash } from "./breakable.ts";
import { type Random, randomOf } from "./random.ts";

export const RULES: PlanRules = { minimum: 0n, maxTransfers: 16, maxReceipts: 8, treasury: true };
const NODES = 5;
const CLIENTS = 6;
/** How often receipts come and payouts are planned. */
const WAVES = 4;
const RICH = 1_000_000_000n;
/** Turns after which nothing goes wrong any more. */
const CALM_AFTER = 80;
const MOST_TURNS = 700;

export type Counts = {
  payouts: number;
  paid: number;
  attempts: number;
  failedOnChain: number;
  setAside: number;
  crashes: number;
  rpcFaults: number;
  forks: number;
  restores: number;
  /** Lamports that strangers sent to markers, or to where they were to be. */
  strangers: number;
  reclaimed: number;
  turns: number;
};
export type RoundResult = { counts: Counts; findings: Findings };
export type RoundOptions = { seed: number; ablation?: Ablation | null };

/** Runs one round until every payout has ended, and says what it came to. */
export async function runRound({ seed, ablation = null }: RoundOptions): Promise<RoundResult> {
  const random = randomOf(seed);
  await using world = await payoutWorld({ mode: "mempool", random: (count) => random.bytes(count) });
  const round = await startRound(world, random, ablation);
  let turn = 0;
  for (; turn < MOST_TURNS; turn += 1) {
    if (turn === CALM_AFTER) await round.calmDown();
    if (turn < WAVES * 8 && turn % 8 === 0) await round.newReceipts(turn);
    await round.coordinate();
    // Between what was signed and the block that it lands in.
    if (turn < CALM_AFTER) await round.meddle();
    await round.chainGoesOn();
    if (turn > CALM_AFTER && (await round.isDone())) break;
  }
  world.chain.advance(200);
  return { counts: { ...(await round.counts()), turns: turn }, findings: await round.end() };
}

async function startRound(world: PayoutWorld, random: Random, ablation: Ablation | null) {
  const { chain, stage, server, settlement } = world;
  const tally = { crashes: 0, rpcFaults: 0, forks: 0, restores: 0, strangers: 0 };
  let db = world.db;
  let calm = false;
  const nodes: Node[] = [];
  const clients: Client[] = [];
  await atInstant(async () => {
    for (let n = 0; n < NODES; n += 1) nodes.push(await addNode(db, stage, `node ${n}`));
    for (let n = 0; n < CLIENTS; n += 1)
      clients.push(await addClient(db, stage, { name: `client ${n}`, delegate: settlement.address, amount: RICH }));
    if (world.treasuryAccount) await stage.mintTo(world.treasuryAccount, RICH);
  });
  const creditor = await addCreditor(db, "creditor", RICH);
  const client: Chain = ablatedClient(await world.client(db), ablation);
  chain.advance(40);
  server.faults.choose = (method) => chooseFault(method);
  let jobs = 0;
  let snapshot: Snapshot | null = null;
  let copy: { file: string; payouts: number } | null = null;
  let restored = false;

  async function atInstant(act: () => Promise<void>): Promise<void> {
    const before = chain.mode;
    chain.mode = "instant";
    try {
      await act();
    } finally {
      chain.mode = before;
    }
  }

  function chooseFault(method: string): Fault | undefined {
    if (calm) return undefined;
    const fault = faultFor(method);
    if (fault !== undefined) tally.rpcFaults += 1;
    return fault;
  }

  function faultFor(method: string): Fault | undefined {
    const draw = random();
    if (method === "sendTransaction") {
      if (draw < 0.2) return "drop";
      if (draw < 0.32) return "land-then-timeout";
      return draw < 0.4 ? "http503" : undefined;
    }
    if (method === "getSignatureStatuses" && draw < 0.5) return "hide-status";
    if (draw < 0.03) return "http503";
    if (draw < 0.045) return "node-behind";
    return draw < 0.05 ? "timeout" : undefined;
  }

  const crashAt = (): void => {
    if (calm || !random.chance(0.018)) return;
    tally.crashes += 1;
    throw new Crash("the process is dead");
  };

  function coordinator(): AdvanceDeps {
    const over = breakableDb(db, crashAt);
    const written = async (id: string) => {
      const rows = await db.query(
        "select a.signature, p.root from payout_attempts a join payouts p on p.id = a.payout_id where p.id = ?",
        [id],
      );
      return (rows as [string, string][]).map(([signature, root]) => ({
        signature,
        memo: payoutMemo(id, Buffer.from(root, "hex")),
      }));
    };
    const payouts = ablatedPayouts(
      world.payoutsOver(client),
      { chain: client, early: earlyReads(world), written },
      ablation,
    );
    return world.depsOver(over, breakableChain(payouts, crashAt));
  }

  /** One coordinator's turn: until it is through, or dead. */
  async function pass(deps: AdvanceDeps): Promise<"alive" | "dead"> {
    try {
      const node = random.pick(nodes);
      if (random.chance(0.5)) await planPayouts(deps, RULES, { node: node.pubkey, wallet: node.wallet, state: "due" });
      for (const { id } of await payoutsIn(deps, ["due"])) await orTrouble(() => advancePayout(deps, id));
      if (calm || random.chance(0.2)) await orTrouble(() => retryStuck(deps));
      if (random.chance(0.1)) await orTrouble(() => reclaimRent(deps, 0));
      return "alive";
    } catch (error) {
      if (error instanceof Crash) return "dead";
      throw error;
    }
  }

  async function orTrouble(act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch (error) {
      // What cannot be asked changes nothing: the next turn goes on.
      if (error instanceof Crash || !(error instanceof Error) || error.name !== "ChainUnreachable") throw error;
    }
  }

  async function reopen(): Promise<void> {
    await db.close();
    db = await openStageDatabase(world.file, world.clock);
  }

  /** The database as it was a while ago, from a copy; nothing was planned since. */
  async function restoreCopy(): Promise<void> {
    if (copy === null || copy.payouts !== (await countOf("payouts"))) return;
    await db.close();
    for (const rest of ["", "-wal", "-shm"]) rmSync(world.file + rest, { force: true });
    copyFileSync(copy.file, world.file);
    db = await openStageDatabase(world.file, world.clock);
    restored = true;
    tally.restores += 1;
  }

  async function countOf(table: string, where = "1"): Promise<number> {
    const [row] = await db.query(`select count(*) from ${table} where ${where}`);
    return Number(row?.[0]);
  }

  async function owners(): Promise<void> {
    const { owner, account } = random.pick(clients);
    const outside = await stage.ataOf(stage.admin.address);
    await atInstant(async () => {
      if (random.chance(0.3)) await stage.revoke(owner, account);
      else if (random.chance(0.4)) {
        await stage.ata(stage.admin.address);
        await stage.transfer(owner, account, outside, await stage.balance(account));
      } else if (random.chance(0.5))
        await stage.approve(owner, account, settlement.address, random.chance(0.3) ? 1_000n : RICH);
      else await stage.mintTo(account, BigInt(1 + random.below(3_000_000)));
    });
  }

  /** Lamports where a payout's marker is, or is to be: its address is known once a transaction of it was sent. */
  async function stranger(): Promise<void> {
    const rows = await db.query(
      "select distinct payout_id from payout_attempts order by created_ms desc, payout_id limit 5",
    );
    if (rows.length === 0) return;
    const marker = await client.markerAddress(settlement.address, String(random.pick(rows)[0]));
    await atInstant(async () => {
      await stage.fund(stage.admin, marker, 890_880n + BigInt(random.below(3)));
    });
    tally.strangers += 1;
  }

  return {
    async newReceipts(turn: number): Promise<void> {
      for (const node of nodes) {
        const count = 1 + random.below(5);
        for (let n = 0; n < count; n += 1) {
          const accountId = random.chance(0.15) ? creditor : random.pick(clients).accountId;
          const gross = random.chance(0.1) ? 0n : BigInt(1 + random.below(2_000_000));
          await earn(db, { node: node.pubkey, accountId, gross, job: `${turn}/${jobs++}` });
        }
      }
    },
    async coordinate(): Promise<void> {
      const two = random.chance(0.4);
      const fates = await Promise.all(two ? [pass(coordinator()), pass(coordinator())] : [pass(coordinator())]);
      if (fates.includes("dead") && random.chance(0.5)) await reopen();
    },
    async chainGoesOn(): Promise<void> {
      if (!calm && snapshot === null && random.chance(0.3)) snapshot = chain.snapshot();
      const fresh = snapshot !== null && chain.bank("processed").slot - snapshot.slot < 20n;
      chain.advance(fresh ? 1 + random.below(6) : 1 + random.below(random.chance(0.2) ? 220 : 20));
      if (snapshot === null) return;
      const isFinal = snapshot.slot <= chain.bank("finalized").slot;
      if (!isFinal && !random.chance(0.35)) return;
      if (!isFinal) {
        chain.restore(snapshot);
        tally.forks += 1;
      }
      snapshot = null;
    },
    async meddle(): Promise<void> {
      if (random.chance(0.3)) await owners();
      if (random.chance(0.1)) await stranger();
      if (ablation === "not-final" || restored) return;
      const planned = (await countOf("receipts", "payout_id is null")) === 0;
      if (copy === null && planned && random.chance(0.3)) {
        const file = `${world.file}.copy`;
        await db.writer.exclusive((connection) => connection.script(`vacuum into '${file}'`));
        copy = { file, payouts: await countOf("payouts") };
      } else if (copy !== null && random.chance(0.3)) await restoreCopy();
    },
    async calmDown(): Promise<void> {
      calm = true;
      // No fork takes back what the clients do now.
      snapshot = null;
      await atInstant(async () => {
        for (const { owner, account } of clients) {
          await stage.mintTo(account, RICH);
          await stage.approve(owner, account, settlement.address, RICH);
        }
      });
    },
    isDone: async () =>
      (await countOf("payouts", "state in ('planned', 'due', 'stuck')")) === 0 &&
      (await countOf("receipts", "payout_id is null and gross > 0")) === 0,
    async counts(): Promise<Omit<Counts, "turns">> {
      return {
        ...tally,
        payouts: await countOf("payouts"),
        paid: await countOf("payouts", "state = 'paid'"),
        attempts: await countOf("payout_attempts"),
        failedOnChain: chain.history
          .ofAddress(settlement.address as never)
          .filter(({ error, parsed }) => error !== null && parsed?.memo?.includes("infernet:1:")).length,
        setAside: await countOf("audit_log", "action = 'payout.failed' and before <> 'null'"),
        reclaimed: await countOf("payouts", "reclaimed_ms is not null"),
      };
    },
    async end(): Promise<Findings> {
      const findings = await auditPayouts(world, db);
      await db.close();
      return findings;
    },
  };
}

/** What the newest block says, for those who do not wait until it is final. */
function earlyReads({ chain, settlement }: PayoutWorld): EarlyReads {
  const paymentOf = (id: string) =>
    chain.history
      .ofAddress(settlement.address as never)
      .find(({ error, parsed }) => error === null && parsed?.memo?.includes(`infernet:1:${id}:`));
  return {
    marker: async (id) => paymentOf(id) !== undefined,
    async payment(id) {
      const found = paymentOf(id);
      const memo = /infernet:1:\S+/.exec(found?.parsed?.memo ?? "")?.[0];
      return found && memo !== undefined ? { signature: found.signature, memo } : null;
    },
  };
}
