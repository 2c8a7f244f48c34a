import { expect, test } from "bun:test";
import { inTurns, nextTurn } from "./turns.ts";

test("what waited goes first, between pieces of at most that weight", async () => {
  const said: (number | "other")[] = [];
  let isDone = false;
  const others = async () => {
    while (!isDone) {
      said.push("other");
      await nextTurn();
    }
  };
  const other = others();
  await inTurns([1, 1, 2, 5, 1], { most: 2, weigh: (one) => one }, (one) => said.push(one));
  isDone = true;
  await other;
  const pieces = said
    .join(" ")
    .split(/(?: ?other)+ ?/)
    .filter((piece) => piece !== "");
  expect(pieces).toEqual(["1 1", "2", "5", "1"]);
});
