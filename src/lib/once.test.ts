// Once: computed by the first who asks, for all who ask in time.
import { expect, test } from "bun:test";
import { once } from "./once.ts";

test("is made once in its time, for all who ask meanwhile, and anew after it", async () => {
  let nowMs = 1_000;
  let made = 0;
  const get = once({ nowMs: () => nowMs }, 100, () => ++made);
  expect(await Promise.all([get(), get()])).toEqual([1, 1]);
  nowMs += 99;
  expect(await get()).toBe(1);
  nowMs += 1;
  expect(await get()).toBe(2);
});

test("what failed is not kept", async () => {
  let made = 0;
  const get = once({ nowMs: () => 0 }, 100, async () => {
    if (++made === 1) throw new Error("away");
    return made;
  });
  expect(await get().catch((error: unknown) => String(error))).toContain("away");
  expect(await get()).toBe(2);
});

test("a clock that was put back keeps nothing beyond its time", async () => {
  let nowMs = 3_600_000;
  let made = 0;
  const get = once({ nowMs: () => nowMs }, 100, () => ++made);
  await get();
  nowMs -= 3_000_000;
  expect(await get()).toBe(2);
  expect(await get()).toBe(2);
});
