import { describe, expect, test } from "bun:test";
import { ABLATIONS } from "./payout-fuzz/ablations.ts";
import { fuzz, summary } from "./payout-fuzz/fuzz.ts";

const SEED = 1;
const CLEAN = { paidTwice: 0, wronglyMarked: 0, lost: 0, faults: 0, bad: 0, examples: [] };

test("a hundred payouts, under crashes, faults, forks and fickle clients: each is paid once, to the unit", async () => {
  const result = await fuzz({ payouts: 100, seed: SEED });
  console.log(summary(result));
  expect(result).toMatchObject(CLEAN);
  // It happened, too.
  const { crashes, rpcFaults, forks, setAside, attempts, payouts } = result;
  expect(Math.min(crashes, rpcFaults, forks, setAside, attempts - payouts)).toBeGreaterThan(0);
});

describe("the fuzz finds what is missing", () => {
  for (const ablation of ABLATIONS) {
    test(`payouts ${ablation}: paid twice, or marked paid and not`, async () => {
      const found = await fuzz({
        payouts: 150,
        seed: SEED,
        ablation,
        until: ({ paidTwice, wronglyMarked }) => paidTwice + wronglyMarked > 0,
      });
      expect(found.paidTwice + found.wronglyMarked).toBeGreaterThan(0);
    });
  }
});
