import { expect, test } from "bun:test";
import fc from "fast-check";
import { ATTEMPT_CREDIT_BYTES, type DeltaFrame, type EndFrame, parseNodeMessage } from "../protocol/frames.ts";
import { type Delta, deltaCost, MAX_DELTA_CHARS } from "../protocol/generation.ts";
import {
  type AttemptEnd,
  addCredit,
  type KeptAttempt,
  keep,
  keptAttempt,
  MAX_KEPT_BYTES,
  rewind,
  sendKept,
  wakeIfRoom,
} from "./kept-attempts.ts";

const ID = "01890000-0000-7000-8000-000000000001.1";
const END: AttemptEnd = { outcome: "completed", finish: [{ index: 0, reason: "stop" }], usage: null };

/** What leaves, parsed as the coordinator parses it. */
function wire() {
  const frames: (DeltaFrame | EndFrame)[] = [];
  return {
    frames,
    add(frameJson: string) {
      const parsed = parseNodeMessage(`[${frameJson}]`);
      if (!parsed.ok) throw new Error(parsed.error);
      frames.push(...(parsed.value as (DeltaFrame | EndFrame)[]));
    },
  };
}
const words = (attempt: KeptAttempt, ...texts: string[]) => texts.map((content) => keep(attempt, { content }));

test("text of one turn is one delta; what has left is never changed", () => {
  const attempt = keptAttempt(ID);
  const out = wire();
  void words(attempt, "a", "b");
  sendKept(attempt, out);
  void words(attempt, "c");
  void keep(attempt, { index: 1, content: "x" });
  void words(attempt, "d", "e");
  sendKept(attempt, out);
  expect(out.frames.map((frame) => [frame.offset, frame.deltas])).toEqual([
    [0, [{ content: "ab" }]],
    [1, [{ content: "c" }, { index: 1, content: "x" }, { content: "de" }]],
  ]);
});

test("joined text stays within what a frame may carry", () => {
  const attempt = keptAttempt(ID);
  void words(attempt, "x".repeat(MAX_DELTA_CHARS - 1), "yz", "w");
  expect(attempt.deltas.map(({ content }) => content?.length)).toEqual([MAX_DELTA_CHARS - 1, 3]);
});

test("the end goes with the last deltas, in one frame, and once", () => {
  const attempt = keptAttempt(ID);
  const out = wire();
  void words(attempt, "a");
  attempt.end = END;
  sendKept(attempt, out);
  sendKept(attempt, out);
  expect(out.frames).toEqual([{ type: "end", attempt: ID, offset: 0, deltas: [{ content: "a" }], ...END }]);
});

test("without credit nothing leaves, the end neither, and the backend waits until there is some", async () => {
  const attempt = keptAttempt(ID);
  const out = wire();
  const piece = "x".repeat(MAX_DELTA_CHARS);
  const waits = Array.from({ length: 6 }, () => keep(attempt, { content: piece }));
  expect(waits.map((wait) => wait !== undefined)).toEqual([false, false, false, true, true, true]);
  sendKept(attempt, out);
  wakeIfRoom(attempt);
  attempt.end = END;
  sendKept(attempt, out);
  const sentChars = () =>
    out.frames.flatMap(({ deltas }) => deltas).reduce((sum, d) => sum + (d.content?.length ?? 0), 0);
  expect([sentChars(), out.frames.some(({ type }) => type === "end")]).toEqual([4 * MAX_DELTA_CHARS, false]);
  expect(Bun.peek.status(waits[5] as Promise<void>)).toBe("pending");
  addCredit(attempt, ATTEMPT_CREDIT_BYTES);
  sendKept(attempt, out);
  wakeIfRoom(attempt);
  await Promise.all(waits);
  expect([sentChars(), out.frames.at(-1)?.type]).toEqual([6 * MAX_DELTA_CHARS, "end"]);
});

test("after the cancellation nothing is kept and nobody waits", () => {
  const attempt = keptAttempt(ID);
  attempt.abort.abort();
  expect(words(attempt, "x".repeat(MAX_DELTA_CHARS))).toEqual([undefined]);
  expect(attempt.deltas).toEqual([]);
});

test("a delta that no frame can carry ends the attempt as too large", () => {
  const attempt = keptAttempt(ID);
  void keep(attempt, { logprobs: { content: ["x".repeat(1024 * 1024)] } });
  expect([attempt.bytes > MAX_KEPT_BYTES, attempt.deltas]).toEqual([true, []]);
});

test("property: whatever is kept, sent, granted and sent again, the same text arrives in order, at the same offsets", () => {
  const delta: fc.Arbitrary<Delta> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ content: fc.string({ unit: "grapheme", maxLength: 40 }) }) },
    { weight: 1, arbitrary: fc.constant({ content: "x".repeat(50_000) }) },
    { weight: 1, arbitrary: fc.record({ index: fc.constantFrom(0, 1), content: fc.string({ maxLength: 5 }) }) },
    { weight: 1, arbitrary: fc.constant<Delta>({ tool_calls: [{ index: 0, function: { arguments: "{" } }] }) },
  );
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant("keep" as const), delta }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("send" as const) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("credit" as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("reconnect" as const), forgot: fc.boolean() }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: "max" }), (steps) => {
      const attempt = keptAttempt(ID);
      const out = wire();
      const given: Delta[] = [];
      const got: Delta[] = [];
      let owed = 0;
      let ended = 0;
      const receive = () => {
        for (const { offset, deltas, type } of out.frames.splice(0)) {
          expect(offset).toBeLessThanOrEqual(got.length);
          deltas.forEach((piece, i) => {
            // What comes again is what came before.
            if (offset + i < got.length) expect(piece).toEqual(got[offset + i] as Delta);
            else got.push(piece);
            owed += deltaCost(piece);
          });
          if (type === "end") ended++;
        }
        expect(owed).toBeLessThan(ATTEMPT_CREDIT_BYTES + 2 * MAX_DELTA_CHARS);
      };
      const credit = () => {
        addCredit(attempt, Math.max(1, owed));
        owed = 0;
      };
      for (const now of steps) {
        if (now.do === "keep") {
          given.push(now.delta);
          void keep(attempt, now.delta);
        } else if (now.do === "send") {
          sendKept(attempt, out);
          wakeIfRoom(attempt);
          receive();
        } else if (now.do === "credit") credit();
        else {
          if (now.forgot) got.length = 0;
          rewind(attempt, got.length);
          owed = 0;
        }
        const unsent = attempt.deltas.slice(attempt.sent);
        expect(attempt.backlog).toBe(unsent.reduce((sum, piece) => sum + deltaCost(piece), 0));
      }
      attempt.end = END;
      for (let i = 0; i < 100 && ended === 0; i++) {
        sendKept(attempt, out);
        receive();
        credit();
      }
      expect(ended).toBe(1);
      const textOf = (deltas: Delta[]) =>
        deltas
          .map((piece) => (Object.keys(piece).join() === "content" ? piece.content : `|${JSON.stringify(piece)}|`))
          .join("");
      expect(textOf(got)).toBe(textOf(given));
      expect(attempt.room === null || attempt.backlog >= attempt.credit || attempt.backlog === 0).toBe(true);
    }),
    { numRuns: 200 },
  );
});
