import { expect, test } from "bun:test";
import { getProgramDerivedAddress } from "@solana/web3.js";
import fc from "fast-check";
import { addressOf } from "./address.ts";
import type { Address } from "./chain.ts";
import { mayHaveKey } from "./curve.ts";
import { solanaSigner } from "./signer.ts";

test("every key's address may have a key; none that a program derives", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 32, maxLength: 32 }), async (seed) => {
      const { address } = await solanaSigner(seed);
      expect(mayHaveKey(address)).toBe(true);
      const [derived] = await getProgramDerivedAddress({
        programAddress: "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA" as Parameters<
          typeof getProgramDerivedAddress
        >[0]["programAddress"],
        seeds: [seed],
      });
      expect(mayHaveKey(derived as string as Address)).toBe(false);
    }),
    { numRuns: 20 },
  );
});

test("bytes that are no point have none, nor has one that no key makes, or that is written in another way", () => {
  const two = new Uint8Array(32);
  two[0] = 2;
  expect(mayHaveKey(addressOf(two))).toBe(false);
  // y = p + 1, which is 1.
  const unreduced = new Uint8Array(32).fill(0xff);
  unreduced[0] = 0xee;
  unreduced[31] = 0x7f;
  expect(mayHaveKey(addressOf(unreduced))).toBe(false);
  const one = new Uint8Array(32);
  one[0] = 1;
  expect(mayHaveKey(addressOf(one))).toBe(false);
});

test("the chain's own addresses, which are points of the curve by chance, have no key", () => {
  const own = [
    "11111111111111111111111111111111",
    "So11111111111111111111111111111111111111112",
    "SysvarRent111111111111111111111111111111111",
    "Stake11111111111111111111111111111111111111",
  ];
  expect(own.filter((address) => mayHaveKey(address as Address))).toEqual([]);
});
