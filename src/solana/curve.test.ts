import { expect, test } from "bun:test";
import { getProgramDerivedAddress } from "@solana/web3.js";
import fc from "fast-check";
import { addressOf } from "./address.ts";
import type { Address } from "./chain.ts";
import { isOnCurve } from "./curve.ts";
import { solanaSigner } from "./signer.ts";

test("every key's address is on the curve; none that a program derives", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 32, maxLength: 32 }), async (seed) => {
      const { address } = await solanaSigner(seed);
      expect(isOnCurve(address)).toBe(true);
      const [derived] = await getProgramDerivedAddress({
        programAddress: "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA" as Parameters<
          typeof getProgramDerivedAddress
        >[0]["programAddress"],
        seeds: [seed],
      });
      expect(isOnCurve(derived as string as Address)).toBe(false);
    }),
    { numRuns: 20 },
  );
});

test("bytes that are no point are none; the runtime's own spelling of one counts", () => {
  const two = new Uint8Array(32);
  two[0] = 2;
  expect(isOnCurve(addressOf(two))).toBe(false);
  // y = p + 1, which is 1.
  const unreduced = new Uint8Array(32).fill(0xff);
  unreduced[0] = 0xee;
  unreduced[31] = 0x7f;
  expect(isOnCurve(addressOf(unreduced))).toBe(true);
});
