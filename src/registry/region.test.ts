import { expect, test } from "bun:test";
import { isPlausible, regionName } from "./region.ts";

test("a coordinator that does not say where it stands believes what nodes say", () => {
  expect([isPlausible("", "eu", null), isPlausible("", "us-east", 3), isPlausible("", "", 3)]).toEqual([
    true,
    true,
    false,
  ]);
});

test("a claim is held against the round trip: near enough for the own continent, not too near for another", () => {
  const believed = (claimed: string, rttMs: number | null) => isPlausible("eu-west", claimed, rttMs);
  expect([believed("eu", 12), believed("eu-north", 80), believed("eu", 240)]).toEqual([true, true, false]);
  expect([believed("us-east", 90), believed("us-east", 1), believed("eu", null)]).toEqual([true, false, false]);
});

test("regions are compared without case", () => {
  expect([regionName(" EU-West "), regionName(undefined)]).toEqual(["eu-west", ""]);
});
