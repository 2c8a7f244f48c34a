import { expect, test } from "bun:test";
import { type Delta, MAX_DELTA_CHARS } from "../protocol/generation.ts";
import { DeltaQueue } from "./delta-queue.ts";

test("text that is cut because it is long counts as the server's pieces that are in it, and no more", () => {
  const given: { delta: Delta; pieces: number }[] = [];
  const queue = new DeltaQueue((delta, pieces = 1) => void given.push({ delta, pieces }));
  const token = "x".repeat(MAX_DELTA_CHARS / 16);
  queue.text(0, "content", token.repeat(17), 17);
  for (let i = 0; i < 20; i++) queue.text(0, "content", token);
  expect(queue.flush()).toBeUndefined();
  expect(given.map(({ delta }) => delta.content).join("")).toBe(token.repeat(37));
  expect(given.reduce((sum, { pieces }) => sum + pieces, 0)).toBe(37);
});
