import { describe, expect, test } from "bun:test";
import { ModelShelf } from "./model-shelf.ts";

function shelf(memoryBytes: number, load?: (name: string) => Promise<void>) {
  const log: string[] = [];
  let inMemory: string[] = [];
  const made = new ModelShelf({
    async load(name) {
      log.push(`+${name}`);
      await load?.(name);
      return { name, dispose: async () => void log.push(`-${name}`) };
    },
    bytesOf: () => 10,
    memoryBytes,
    changed: (names) => {
      inMemory = names;
    },
  });
  return { log, made, inMemory: () => inMemory, use: (name: string) => made.use(name, async (model) => model.name) };
}

describe("model shelf", () => {
  test("a model is loaded once, also by two who ask at once", async () => {
    const { log, use } = shelf(100);
    await Promise.all([use("a"), use("a")]);
    await use("a");
    expect(log).toEqual(["+a"]);
  });

  test("where room is short, the one used least recently goes first", async () => {
    const { log, use, inMemory } = shelf(20);
    for (const name of ["a", "b", "a", "c"]) await use(name);
    expect(log).toEqual(["+a", "+b", "-b", "+c"]);
    expect(inMemory().sort()).toEqual(["a", "c"]);
  });

  test("one that is at work stays", async () => {
    const { log, made, use } = shelf(20);
    const held = Promise.withResolvers<void>();
    const work = made.use("a", async () => await held.promise);
    await use("b");
    await use("c");
    expect(log).toEqual(["+a", "+b", "-b", "+c"]);
    expect(await made.drop("a")).toEqual({ ok: false, error: "in_use" });
    held.resolve();
    await work;
    expect(await made.drop("a")).toEqual({ ok: true, value: undefined });
    expect(await made.drop("a")).toEqual({ ok: true, value: undefined });
  });

  test("a failed load is told to all who wait, and tried again", async () => {
    let fails = true;
    const { use, inMemory } = shelf(100, async () => {
      if (fails) throw new Error("no memory");
    });
    const outcomes = await Promise.allSettled([use("a"), use("a")]);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    fails = false;
    expect(await use("a")).toBe("a");
    expect(inMemory()).toEqual(["a"]);
  });
});
