import { expect, test } from "bun:test";
import { FEATURES } from "../protocol/generation.ts";
import { candidate, key } from "./testing/candidates.ts";
import {
  demandsOf,
  featureBits,
  isWithin,
  NO_WISHES,
  placeInOrder,
  quantizationNames,
  refersTo,
  taskBits,
} from "./wishes.ts";

test("a reference is a name, an account, a private pool, or how a key begins, from eight digits on", () => {
  const { node } = candidate(0xabcdef12, { node: { name: "GPU-1", account: "acme-inc", pool: "acme" } });
  const pubkey = "abcdef12".padStart(64, "0");
  expect(node.pubkey).toBe(key(0xabcdef12));
  for (const right of ["gpu-1", "acme-inc", "acme", pubkey, pubkey.slice(0, 8)])
    expect([right, refersTo(right, node)]).toEqual([right, true]);
  for (const wrong of ["gpu", "", "public", pubkey.slice(0, 7), `${pubkey}0`, "abcdef12"])
    expect([wrong, refersTo(wrong, node)]).toEqual([wrong, false]);
  // The public pool is no reference: nobody is meant by an empty one.
  expect(candidate(1).node.handles).toEqual(["node 1", "local"]);
});

test("a node cannot make itself another by what it calls itself", () => {
  const wishes = { ...NO_WISHES, pools: ["acme"], only: ["acme"], order: ["acme"], allowFallbacks: false };
  const own = candidate(1, { node: { pool: "acme" } });
  const stranger = candidate(2, { node: { name: "acme" } });
  const meets = [own, stranger].map((one) => demandsOf(wishes).map((demand) => demand.meets(one)));
  expect(meets).toEqual([
    [true, true],
    [false, false],
  ]);
  expect([own, stranger].map((one) => placeInOrder(wishes, one))).toEqual([0, 1]);
  const named = candidate(3, { node: { name: key(1).slice(-16) } });
  expect(refersTo(key(1).slice(-16), named.node)).toBe(false);
});

test("demands are blamed by the field that made them, in a fixed order", () => {
  expect(demandsOf(NO_WISHES)).toEqual([]);
  const all = demandsOf({
    ...NO_WISHES,
    pool: "public",
    only: ["a"],
    ignore: ["b"],
    order: ["c"],
    allowFallbacks: false,
    region: "eu",
    maxPriceInput: 1,
    maxPriceOutput: 1,
    quantizations: ["int4"],
    needs: 1,
    requireNeeds: true,
  });
  expect(all.map(({ field }) => field)).toEqual([
    "infernet.pool",
    "provider.only",
    "provider.ignore",
    "provider.order",
    "infernet.region",
    "provider.max_price.prompt",
    "provider.max_price.completion",
    "provider.quantizations",
    "provider.require_parameters",
  ]);
  expect(demandsOf({ ...NO_WISHES, order: ["c"], needs: 1 })).toEqual([]);
});

test("features and tasks are bits, one each", () => {
  expect(new Set(FEATURES.map((feature) => featureBits([feature]))).size).toBe(FEATURES.length);
  expect(featureBits(["json", "tools"])).toBe(featureBits(["json"]) | featureBits(["tools"]));
  expect(taskBits(["chat"]) & taskBits(["completion", "embedding"])).toBe(0);
});

test("a region holds its parts, and not what only begins alike", () => {
  expect([isWithin("eu", "eu"), isWithin("eu-west-1", "eu"), isWithin("eu-west-1", "eu-west")]).toEqual([
    true,
    true,
    true,
  ]);
  expect([isWithin("eurasia", "eu"), isWithin("eu", "eu-west"), isWithin("", "eu")]).toEqual([false, false, false]);
});

test("a quantisation goes by its own name and its class", () => {
  const classes: [string | null, string][] = [
    ["Q4_K_M", "int4"],
    ["IQ4_XS", "int4"],
    ["awq", "int4"],
    ["4bit", "int4"],
    ["Q8_0", "int8"],
    ["F16", "fp16"],
    ["BF16", "bf16"],
    ["MXFP4", "fp4"],
    ["fp8", "fp8"],
    ["Q5_K_M", "q5_k_m"],
    [null, "unknown"],
  ];
  for (const [own, name] of classes) expect([own, quantizationNames(own).at(-1)]).toEqual([own, name]);
  expect(quantizationNames("Q4_K_M")).toEqual(["q4_k_m", "int4"]);
});
