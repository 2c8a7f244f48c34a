import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { manualClock } from "../../lib/clock.ts";
import type { DispatchFrame } from "../../protocol/frames.ts";
import { decodeReceipt, grossOf, type Receipt, saltedHasher, splitGross } from "../../protocol/receipts.ts";
import vectors from "../../protocol/receipts.vectors.json";
import { keptAttempt } from "../kept-attempts.ts";
import { receiptFault } from "./check-receipt.ts";
import { priceMemory } from "./price-memory.ts";
import { bodyText, witnesses } from "./witness.ts";

const JOB = "01a1fdce-c253-748b-98d4-ee89d4ef96ea";
const dispatch = (over: Partial<DispatchFrame> = {}): DispatchFrame => ({
  type: "dispatch",
  attempt: `${JOB}.1`,
  model: "m",
  body: { messages: [], max_tokens: 100 },
  ...over,
});
const messageOf = (frame: DispatchFrame) => JSON.stringify([frame]);

test("the request is found in its message as it was written, whatever stands around it", () => {
  const texts = fc.string({ unit: fc.constantFrom("{", "}", '"', "\\", ",", '"body":', "a", "ü") });
  fc.assert(
    fc.property(
      fc.dictionary(texts, fc.oneof(texts, fc.json(), fc.object())),
      texts,
      fc.nat(3),
      (body, text, before) => {
        // Written as no program here would write it: spaces, and numbers in full.
        const written = JSON.stringify(body, null, 2)
          .replace(/^\{/, '{ "n": 1.0,')
          .replace(/,\s*\}$/, "}");
        const asJson = Object.keys(body).length === 0 ? '{ "n": 1.0 }' : written;
        const frame = (attempt: string, given: string) =>
          `{"type":"dispatch","attempt":"${attempt}","model":"m","answered":${JSON.stringify(text)},"body":${given}}`;
        const others = Array.from({ length: before }, (_, i) => frame(`${JOB}.${i + 2}`, '{"a":{"b":"}"}}'));
        const message = `[${[...others, frame(`${JOB}.1`, asJson), frame(`${JOB}.9`, "{}")].join(",")}]`;
        expect(bodyText(message, `${JOB}.1`)).toBe(asJson);
        expect(bodyText(message, `${JOB}.9`)).toBe("{}");
      },
    ),
  );
  expect(bodyText("[]", `${JOB}.1`)).toBeUndefined();
});

const SALT = new Uint8Array(32).fill(1);
/** A node that saw an answer of 10 tokens by its own count, and its receipt as it should be. */
function seen() {
  const all = witnesses({ prices: priceMemory({ clock: manualClock() }) });
  all.announced({ prices: { input: 1_000_000, output: 2_000_000 } });
  const frame = dispatch();
  all.dispatched(frame, messageOf(frame));
  const attempt = keptAttempt(frame.attempt);
  attempt.deltas.push({ content: "a long enough answer" });
  const usage = { prompt_tokens: 5, completion_tokens: 10 };
  attempt.end = { outcome: "completed", finish: [{ index: 0, reason: "stop" }], usage };
  const base = decodeReceipt(Uint8Array.from(Buffer.from(vectors.cases[0]?.bytes ?? "", "hex")));
  if (!base.ok) throw new Error(base.error);
  const hash = (text: string) => new Uint8Array(saltedHasher(SALT).update(text).digest());
  const receipt = (promptTokens: number, completionTokens: number, text = "a long enough answer"): Receipt => {
    const gross = grossOf(promptTokens, completionTokens, 1_000_000, 2_000_000);
    const amounts = { gross, ...splitGross(gross, 1200) };
    const hashes = { requestHash: hash(JSON.stringify(frame.body)), outputHash: hash(text) };
    return { ...base.value, promptTokens, completionTokens, ...amounts, ...hashes };
  };
  const fault = (given: Receipt) => {
    const [witness] = all.ofJob(JOB);
    if (!witness) throw new Error("nothing was seen");
    return receiptFault(given, SALT, witness);
  };
  return { all, attempt, receipt, fault };
}

describe("fewer tokens than the node counted are", () => {
  test("a fault where the coordinator had the whole answer", () => {
    const { all, attempt, receipt, fault } = seen();
    all.ended(attempt);
    all.acknowledged(attempt.id);
    expect(fault(receipt(5, 10))).toBeUndefined();
    expect(fault(receipt(5, 4))).toContain("completion_tokens 4");
    expect(fault(receipt(4, 10))).toContain("prompt_tokens 4");
    expect(fault(receipt(5, 10, "a long"))).toContain("output_hash");
  });

  test("none where the link was lost before the end arrived", () => {
    const { all, attempt, receipt, fault } = seen();
    all.ended(attempt);
    expect(fault(receipt(5, 4, "a long"))).toBeUndefined();
    expect(fault(receipt(5, 21, "a long"))).toContain("20 bytes were sent");
  });

  test("none where the coordinator called it off as it ended", () => {
    const { all, attempt, receipt, fault } = seen();
    all.ended(attempt);
    all.cancelled(attempt.id);
    all.acknowledged(attempt.id);
    expect(fault(receipt(5, 4, "a long"))).toBeUndefined();
  });
});

test("a price that was asked for within a day is one that the node asked for", () => {
  const clock = manualClock();
  const all = witnesses({ prices: priceMemory({ clock }) });
  const prices = () => {
    const frame = dispatch();
    all.dispatched(frame, messageOf(frame));
    all.ended({ ...keptAttempt(frame.attempt), end: { outcome: "failed", finish: [], usage: null } });
    return all.ofJob(JOB)[0]?.prices;
  };
  all.announced({ prices: { input: 1, output: 20 } });
  clock.advance(1000);
  all.announced({ prices: { input: 10, output: 2 }, model_prices: { other: { input: 0, output: 0 } } });
  expect(prices()).toEqual({ least: { input: 1, output: 2 }, most: { input: 10, output: 20 } });
  clock.advance(25 * 3_600_000);
  expect(prices()).toEqual({ least: { input: 10, output: 2 }, most: { input: 10, output: 2 } });
});

test("what is remembered is bounded, the oldest goes", () => {
  const all = witnesses({ prices: priceMemory({ clock: manualClock() }) });
  all.announced({ prices: { input: 1, output: 1 } });
  const job = (n: number) => `01a1fdce-c253-748b-98d4-${String(n).padStart(12, "0")}`;
  const ask = (n: number, content: string) => {
    const frame = dispatch({ attempt: `${job(n)}.1`, body: { messages: [{ role: "user", content }] } });
    all.dispatched(frame, messageOf(frame));
    all.ended({ ...keptAttempt(frame.attempt), end: { outcome: "failed", finish: [], usage: null } });
  };
  for (let n = 0; n < 5000; n++) ask(n, "x");
  expect([all.ofJob(job(903)).length, all.ofJob(job(904)).length]).toEqual([0, 1]);
  ask(6000, "x".repeat(16 * 1024 * 1024));
  expect([all.ofJob(job(4999)).length, all.ofJob(job(6000)).length]).toEqual([0, 0]);
});
