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

test("what is stale is given at once while it is made anew; what is too old is waited for", async () => {
  let nowMs = 1_000;
  let made = 0;
  const making: PromiseWithResolvers<number>[] = [];
  const get = once(
    { nowMs: () => nowMs },
    100,
    () => {
      made++;
      making.push(Promise.withResolvers());
      return making.at(-1)?.promise ?? 0;
    },
    { staleMs: 1_000 },
  );
  const first = get();
  making[0]?.resolve(1);
  expect(await first).toBe(1);
  nowMs += 100;
  expect([await get(), await get()]).toEqual([1, 1]);
  await new Promise<void>((resolve) => setImmediate(resolve));
  expect(made).toBe(2);
  making[1]?.resolve(2);
  await new Promise<void>((resolve) => setImmediate(resolve));
  expect(await get()).toBe(2);
  nowMs += 2_000;
  const waited = get();
  expect(made).toBe(3);
  making[2]?.resolve(3);
  expect(await waited).toBe(3);
});

test("a making anew that fails leaves what is kept, and is tried again", async () => {
  let nowMs = 1_000;
  let made = 0;
  const get = once(
    { nowMs: () => nowMs },
    100,
    () => {
      if (++made === 2) throw new Error("away");
      return made;
    },
    { staleMs: 1_000 },
  );
  expect(await get()).toBe(1);
  nowMs += 100;
  for (let i = 0; i < 3; i++) {
    await get();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  expect(await get()).toBe(3);
});
