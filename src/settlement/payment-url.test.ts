// Payment URLs, as the Solana Pay specification has them.
import { describe, expect, test } from "bun:test";
import { inflateSync } from "node:zlib";
import jsQR from "jsqr";
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

describe("the code", () => {
  const url = paymentUrl({ ...request, label: "a", message: "b" });
  /** What a phone reads of it: `dark` by row and column, drawn large. */
  function read(dark: boolean[][], scale = 4): string | undefined {
    const side = dark.length * scale;
    const pixels = new Uint8ClampedArray(side * side * 4).fill(255);
    for (let y = 0; y < side; y++)
      for (let x = 0; x < side; x++)
        if (dark[Math.floor(y / scale)]?.[Math.floor(x / scale)])
          pixels.fill(0, (y * side + x) * 4, (y * side + x) * 4 + 3);
    return jsQR(pixels, side, side)?.data;
  }

  test("is read from its SVG, which has no style of its own", async () => {
    const svg = await qrSvg(url);
    expect(svg).not.toContain("style");
    const side = Number(/viewBox="0 0 (\d+)/.exec(svg)?.[1]) / 4;
    const dark = Array.from({ length: side }, () => Array<boolean>(side).fill(false));
    for (const [, x, y] of svg.matchAll(/M(\d+),(\d+)h4v4h-4z/g)) {
      const row = dark[Number(y) / 4];
      if (row) row[Number(x) / 4] = true;
    }
    expect(read(dark)).toBe(url);
  });

  test("is read from its PNG", async () => {
    const png = Buffer.from(await qrPng(url));
    expect([...png.subarray(0, 8)]).toEqual([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
    const side = png.readUInt32BE(16);
    const lines = inflateSync(png.subarray(png.indexOf("IDAT") + 4, png.indexOf("IEND") - 8));
    const bytes = 1 + Math.ceil(side / 8);
    const dark = Array.from({ length: side }, (_, y) =>
      Array.from({ length: side }, (_, x) => (((lines[y * bytes + 1 + (x >> 3)] ?? 0) >> (7 - (x & 7))) & 1) === 0),
    );
    expect(side).toBeGreaterThan(400);
    expect(read(dark, 1)).toBe(url);
  });

  test("is read from a terminal, light or dark", async () => {
    const text = await qrText(url, { colors: true });
    const glyphs: Record<string, [boolean, boolean]> = {
      "\u2588": [false, false],
      "\u2580": [false, true],
      "\u2584": [true, false],
      " ": [true, true],
    };
    const dark = text.split("\n").flatMap((line) => {
      const shown = /97;40m([^[]*)./.exec(line)?.[1]?.slice(0, -1);
      if (shown === undefined) return [];
      const halves = [...shown].map((glyph) => glyphs[glyph] ?? [false, false]);
      return [halves.map(([upper = false]) => upper), halves.map(([, lower = false]) => lower)];
    });
    dark.pop();
    expect(read(dark)).toBe(url);
    expect(await qrText(url, { colors: false })).not.toContain("\u001b");
  });
});
