// The story of a job: every try and why, what was carried over, the end and what to do.
import { describe, expect, test } from "bun:test";
import type { AttemptRecord } from "../../jobs/job.ts";
import type { Pubkey } from "../../protocol/primitives.ts";
import type { Why } from "../../scheduler/choose.ts";
import { lanesOf } from "./job-view.ts";
import { type JobShown, piecesOf } from "./shown.ts";
import { reason, story, type Words } from "./story.ts";

const WHY: Why = {
  ...{ strategy: "balanced", eligible: 1, best: 1, load: 0.5, tokens_per_s: 40 },
  ...{ price_input: 1, price_output: 2, last_resort: false },
};
const attempt = (n: number, name: string, over: Partial<AttemptRecord> = {}): AttemptRecord => ({
  ...{ n, node: `${n}`.padStart(64, "0") as Pubkey, node_name: name, model: "m", why: WHY, took_over: null },
  ...{ resumable: true, dispatched_ms: 0, first_delta_ms: null, ended_ms: null, pieces: 0, bytes: 0 },
  ...{ outcome: null, error: null, ...over },
});
const job = (over: Partial<JobShown>): JobShown =>
  ({
    ...{ id: "j", kind: "chat", model: "m", state: "completed", live: false, nowMs: 20_000, createdMs: 0 },
    ...{ endedMs: 9_840, firstDeltaMs: 2_310, attempts: [], error: null, finishReason: "stop", outputTokens: 401 },
    ...{ held: null, billing: true, receipts: [], waitsFor: null, key: null, ...over },
  }) as JobShown;
const plain = (words: Words): string =>
  words.map((word) => (typeof word === "string" ? word : "node" in word ? word.name : word.quote)).join("");
const told = (over: Partial<JobShown>) =>
  story(job(over)).map(({ ms, title, words }) => [ms, plain(title), plain(words)]);

test("a job that failed, lost its node and was continued", () => {
  const attempts = [
    attempt(1, "dune", {
      ...{ dispatched_ms: 420, ended_ms: 1_480, outcome: "failed" },
      error: { code: "backend_failed", message: "CUDA out of memory" },
    }),
    attempt(2, "cedar-2", {
      ...{ dispatched_ms: 1_920, first_delta_ms: 2_310, ended_ms: 6_020, outcome: "lost", pieces: 204 },
      why: { ...WHY, affinity: "prefix" },
      error: { code: "node_lost", message: "the node is gone" },
    }),
    attempt(3, "cedar-1", {
      ...{ dispatched_ms: 6_020, first_delta_ms: 6_380, ended_ms: 9_840, outcome: "completed", pieces: 197 },
      took_over: "continue",
    }),
  ];
  expect(told({ attempts, key: { id: "k", name: "laptop" }, held: 10_000n })).toEqual([
    [0, "Queued", "By the key “laptop”. $0.01 held. Waited 420 ms for a node with m."],
    [420, "Try 1 on dune", "The only node with room."],
    [1_480, "dune failed", "Its engine failed: “CUDA out of memory”. Nothing was delivered, nothing is charged."],
    [1_480, "Waited for the next try", "For 440 ms, until a node could take it."],
    [1_920, "Try 2 on cedar-2", "It has the beginning of this conversation in its cache."],
    [2_310, "First token", "390 ms after the try began."],
    [6_020, "Link to cedar-2 lost", "The node is gone. 204 tokens were delivered. cedar-1 goes on from there."],
    [6_020, "Try 3 on cedar-1", "Continues the text; the client saw a pause of 360 ms. The only node left with room."],
    [9_840, "Done", "401 tokens, ended by itself."],
  ]);
  expect(
    lanesOf(job({ attempts })).map(({ label, from, begun, to, tone, broken }) => [
      label,
      from,
      begun,
      to,
      tone,
      broken,
    ]),
  ).toEqual([
    ["Queue", 0, null, 420, "wait", false],
    ["dune", 420, null, 1_480, "bad", true],
    ["cedar-2", 1_920, 2_310, 6_020, "live", true],
    ["cedar-1", 6_020, 6_380, 9_840, "live", false],
  ]);
});

describe("while it lives", () => {
  const over = { live: true, endedMs: null, nowMs: 5_000 } as const;
  test("it waits, for room or for a node", () => {
    expect(told({ ...over, state: "queued", waitsFor: "room" }).at(-1)).toEqual([
      5_000,
      "Waiting",
      "No node with m has room.",
    ]);
    expect(told({ ...over, state: "queued", waitsFor: "node" }).at(-1)?.[2]).toContain("is online");
  });
  test("its node reads, then answers", () => {
    const attempts = [attempt(1, "dune", { dispatched_ms: 5 })];
    expect(told({ ...over, state: "dispatched", attempts, outputTokens: 0 }).at(-1)).toEqual([
      5_000,
      "dune has it",
      "Reading the prompt.",
    ]);
    expect(told({ ...over, state: "running", attempts, outputTokens: 7 }).at(-1)).toEqual([
      5_000,
      "dune answers",
      "7 tokens so far.",
    ]);
  });
});

test("a failure says its cause, what to do, and its code", () => {
  const error = { code: "queue_timeout", message: "no node had room within 60 s" } as const;
  const last = story(job({ state: "failed", error })).at(-1);
  expect([plain(last?.title ?? []), plain(last?.words ?? []), last?.code]).toEqual([
    "Failed",
    "No node had room within 60 s. Send it again when there is more room, or name models to fall back to.",
    "queue_timeout",
  ]);
});

test("why a node was chosen is said in words, for each way to choose", () => {
  const said = (why: Partial<Why>, n = 1) => reason(attempt(n, "x", { why: { ...WHY, ...why } }));
  const other = { node: "b".repeat(64) as Pubkey, load: 0.9, tokens_per_s: 1, price_input: 1, price_output: 1 };
  expect(said({ eligible: 3, best: 1, strategy: "cheapest" })).toBe("The cheapest of 3 nodes with room.");
  expect(said({ eligible: 5, best: 2, other })).toBe(
    "Of 5 nodes with room 2 were nearly as good as the best; of two drawn it was the less loaded.",
  );
  expect(said({ eligible: 2, best: 2, other: { ...other, load: 0.5 } })).toContain("both were as loaded");
  expect(said({ last_resort: true, probe: true })).toContain("found out whether it is well again");
  expect(said({ affinity: "passed_over" })).toContain("the node that knows this conversation was busy");
  expect(said({ affinity: "session" })).toContain("in its cache");
});

test("what was delivered is counted over tries that continue, and not twice", () => {
  const pieces = (...all: [number, AttemptRecord["took_over"]][]) =>
    piecesOf(all.map(([n, took_over]) => ({ pieces: n, took_over })));
  expect(pieces([5, null], [3, "continue"])).toBe(8);
  expect(pieces([5, null], [9, "replay"])).toBe(9);
  expect(pieces([5, null], [2, null])).toBe(2);
  expect(pieces()).toBe(0);
});
