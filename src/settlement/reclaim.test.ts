import { expect, test } from "bun:test";
import { MAX_MARKERS } from "./payout-chain.ts";
import { payoutWorld } from "./testing/payout-stage.ts";

test("as many markers as one round asks for are taken back, though no transaction holds them", async () => {
  await using world = await payoutWorld();
  const { deps, settlement, stage, db } = world;
  const chain = await world.client(db, world.calmUrl);
  const lamports = await chain.rentExempt(0);
  // The longest that a seed may be, and so the largest transaction.
  const ids = Array.from({ length: MAX_MARKERS }, (_, n) => `${n}`.padStart(32, "0"));
  const base = settlement.address;
  for (let n = 0; n < ids.length; n += 4) {
    const seeds = ids.slice(n, n + 4);
    const instructions = await Promise.all(
      seeds.map((seed) => chain.instructions.createMarker({ payer: base, base, seed, lamports })),
    );
    const made = await chain.prepare({ feePayer: base, instructions, signers: [settlement] });
    if (!made.ok) throw new Error(made.error.code);
    await chain.send(made.value.wire);
  }
  await stage.finalize();
  expect(await deps.chain.reclaim(ids)).toEqual([]);
  await stage.finalize();
  expect(await deps.chain.reclaim(ids)).toEqual(ids);
});
