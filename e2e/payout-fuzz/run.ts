// The payout fuzz, for as many payouts as asked: `bun e2e/payout-fuzz/run.ts [--payouts 1000] [--seed 1] [--ablation X]`.
// Prints what was counted, and fails where anything was paid twice, lost or wrongly marked.
import { parseArgs } from "node:util";
import { z } from "zod";
import { ABLATIONS } from "./ablations.ts";
import { fuzz, summary } from "./fuzz.ts";

const { values } = parseArgs({
  options: {
    payouts: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    ablation: { type: "string" },
    quiet: { type: "boolean", default: false },
  },
});
const count = z.coerce.number().int().min(1);
const result = await fuzz({
  payouts: count.parse(values.payouts),
  seed: count.parse(values.seed),
  ablation: values.ablation === undefined ? null : z.enum(ABLATIONS).parse(values.ablation),
  told: (line) => (values.quiet ? undefined : console.error(line)),
});
console.log(summary(result));
process.exit(result.bad > 0 && values.ablation === undefined ? 1 : 0);
