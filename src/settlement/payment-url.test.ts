// Payment URLs, as the Solana Pay specification has them.
import { expect, test } from "bun:test";
import type { Address } from "../solana/chain.ts";
import { decimalText, paymentUrl, qrPng, qrSvg, qrText } from "./payment-url.ts";

const RECIPIENT = "mvines9iiHiQTysrwkJjGf2gb9Ex9jXJX8ns3qwf2kN" as Address;
const USDC = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v" as Address;
const REFERENCE = "82ZJ7nbGpixjeDCmEhUcmwXYfvurzAgGdtSMuHnUgyny" as Address;
const request = { recipient: RECIPIENT, amount: 10_000n, decimals: 6, mint: USDC, reference: REFERENCE };

test("the fields are those of the specification, and what people wrote is escaped", () => {
  const url = paymentUrl({ ...request, label: "Michael & co", message: "Thanks for 1+1 = 2", memo: "OrderId12345" });
  expect(url).toBe(
    `solana:${RECIPIENT}?amount=0.01&spl-token=${USDC}&reference=${REFERENCE}&label=Michael%20%26%20co&message=Thanks%20for%201%2B1%20%3D%202&memo=OrderId12345`,
  );
  const read = new URL(url);
  expect(read.protocol).toBe("solana:");
  expect(read.pathname).toBe(RECIPIENT);
  expect(read.searchParams.get("message")).toBe("Thanks for 1+1 = 2");
});

test("without an amount the payer is asked for one", () => {
  expect(paymentUrl({ ...request, amount: null, label: "a", message: "b" })).not.toContain("amount");
});

test("amounts are decimals without an exponent, with a 0 before the point", () => {
  const cases: [bigint, string][] = [
    [0n, "0"],
    [1n, "0.000001"],
    [1_000_000n, "1"],
    [1_230_000n, "1.23"],
    [9_007_199_254_740_993n, "9007199254.740993"],
  ];
  for (const [amount, text] of cases) expect(decimalText(amount, 6)).toBe(text);
});

test("the code comes as SVG, PNG and text", async () => {
  const url = paymentUrl({ ...request, label: "a", message: "b" });
  expect(await qrSvg(url)).toStartWith("<svg");
  expect([...(await qrPng(url)).subarray(0, 8)]).toEqual([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  expect((await qrText(url)).split("\n").length).toBeGreaterThan(20);
});
