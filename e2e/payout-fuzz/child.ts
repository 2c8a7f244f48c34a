// A coordinator's payouts as a process that kills itself, for good, at its n-th effect: `bun child.ts JSON`.
import { z } from "zod";
import { systemClock } from "../../src/lib/clock.ts";
import { advancePayout } from "../../src/settlement/advance.ts";
import { payoutsIn } from "../../src/settlement/payouts.ts";
import { planPayouts } from "../../src/settlement/plan.ts";
import { solanaPayouts } from "../../src/settlement/solana-payouts.ts";
import { openStageDatabase } from "../../src/settlement/testing/payout-stage.ts";
import { addressOf, addressSchema } from "../../src/solana/address.ts";
import { clusterMemory } from "../../src/solana/cluster.ts";
import { connectChain } from "../../src/solana/connect.ts";
import { solanaSigner } from "../../src/solana/signer.ts";
import { breakableChain, breakableDb } from "./breakable.ts";
import { RULES } from "./round.ts";

const inputSchema = z.object({
  file: z.string(),
  rpcUrl: z.string(),
  mint: addressSchema,
  /** Of the settlement key, hex. */
  seed: z.string(),
  feeOwner: addressSchema,
  treasury: addressSchema.nullable(),
  nodes: z.array(z.object({ pubkey: z.string(), wallet: z.string() })),
  /** 0: it lives until all is paid. */
  dieAt: z.number(),
});
export type ChildInput = z.input<typeof inputSchema>;

const { file, rpcUrl, mint, seed, feeOwner, treasury, nodes, dieAt } = inputSchema.parse(
  JSON.parse(process.argv[2] ?? ""),
);
let effects = 0;
const at = (): void => {
  effects += 1;
  if (effects === dieAt) process.kill(process.pid, "SIGKILL");
};
const NO_LOG = { debug() {}, info() {}, warn() {}, error() {}, child: () => NO_LOG };
const opened = await openStageDatabase(file, systemClock);
const connected = await connectChain(
  { clock: systemClock, cluster: clusterMemory({ db: opened, clock: systemClock }) },
  { rpcUrls: [rpcUrl], mint, priorityFee: { percentile: 50, maxLamports: 100_000n }, timeoutMs: 5_000 },
);
if (!connected.ok) throw new Error(connected.error.message);
const settlement = await solanaSigner(new Uint8Array(Buffer.from(seed, "hex")));
const deps = {
  db: breakableDb(opened, at),
  chain: breakableChain(solanaPayouts({ chain: connected.value, settlement, feeOwner, treasury }), at),
  clock: systemClock,
  random: (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes)),
  markerKey: new Uint8Array(32),
  addressText: (bytes: Uint8Array): string => addressOf(bytes),
  log: NO_LOG,
};
for (const { pubkey: node, wallet } of nodes) await planPayouts(deps, RULES, { node, wallet, state: "due" });
for (;;) {
  const due = await payoutsIn(deps, ["due"]);
  if (due.length === 0) break;
  for (const { id } of due) await advancePayout(deps, id);
  // Lets the chain go on.
  await Bun.sleep(5);
}
await opened.close();
console.log(JSON.stringify({ effects }));
