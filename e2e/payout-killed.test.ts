import { expect, test } from "bun:test";
import { runKilled } from "./payout-fuzz/killed.ts";

test("coordinators that are killed, two at a time, at one effect after the other, pay each payout once", async () => {
  const { findings, ...counts } = await runKilled(16);
  console.log(JSON.stringify(counts));
  expect(findings).toEqual({ paidTwice: [], wronglyMarked: [], lost: [], faults: [] });
  expect(counts.killed).toBeGreaterThanOrEqual(16);
});
