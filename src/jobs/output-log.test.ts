import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Job } from "./job.ts";
import { type LogReader, outputLog, type Piece, piecePosition } from "./output-log.ts";

const ended = (error: Job["error"] = null) => ({ error, finish: [{ index: 0, reason: "stop" }] }) as unknown as Job;
const words = (...texts: string[]) => texts.map((content) => ({ content }));
async function rest(reader: LogReader): Promise<Piece[]> {
  const all: Piece[] = [];
  for (let next = await reader.next(); next !== null; next = await reader.next()) {
    if (next === "restarted") throw new Error("restarted");
    all.push(...next);
  }
  return all;
}
const text = (pieces: Piece[]) => pieces.map((piece) => piece.text).join("");

test("Last-Event-ID is `<attempt>:<offset>` and nothing else", () => {
  expect(piecePosition("2:17")).toEqual({ attempt: 2, offset: 17 });
  expect(piecePosition("86400:1")).toEqual({ attempt: 86_400, offset: 1 });
  for (const wrong of [
    null,
    "",
    "0:1",
    "1",
    "1:",
    ":1",
    "1:-1",
    "1:1 ",
    "01:1",
    "1:1e3",
    "999999:1",
    `1:${"9".repeat(10)}`,
  ]) {
    expect(piecePosition(wrong)).toBeNull();
  }
});

test("several readers get everything, each at its own pace, early and late", async () => {
  const log = outputLog();
  const early = log.read(null);
  const first = early.next();
  void log.deltas(1, 0, words("a", "b"));
  expect(await first).toEqual([
    { attempt: 1, offset: 0, text: "a" },
    { attempt: 1, offset: 1, text: "b" },
  ]);
  const middle = log.read(null);
  void log.deltas(1, 2, words("c"));
  log.end(ended());
  expect(text(await rest(early))).toBe("c");
  expect(text(await rest(middle))).toBe("abc");
  expect(text(await rest(log.read(null)))).toBe("abc");
});

test("what holds no text of the first choice takes up an offset and makes no piece", async () => {
  const log = outputLog();
  void log.deltas(1, 0, [
    { content: "a" },
    { index: 1, content: "x" },
    { reasoning_content: "hm" },
    { content: "" },
    { content: "b" },
  ]);
  log.end(ended());
  expect((await rest(log.read(null))).map(({ offset, text }) => [offset, text])).toEqual([
    [0, "a"],
    [4, "b"],
  ]);
});

test("it may start over until somebody was shown something, and what was before is gone", async () => {
  const log = outputLog();
  const reader = log.read(null);
  void log.deltas(1, 0, words("old"));
  expect(log.canRestart()).toBe(true);
  log.restart();
  void log.deltas(2, 0, words("new"));
  expect(await reader.next()).toEqual([{ attempt: 2, offset: 0, text: "new" }]);
  expect(log.canRestart()).toBe(false);
  log.end(ended());
  expect(JSON.parse(log.stored(ended())).choices[0].message.content).toBe("new");
});

test("a reader that saw an attempt which was thrown away is told, instead of getting two texts in one", async () => {
  const log = outputLog();
  const reader = log.read({ attempt: 1, offset: 3 });
  void log.deltas(2, 0, words("new"));
  expect(await reader.next()).toBe("restarted");
});

test("a reader that waits is woken by the end, and by its own close", async () => {
  const log = outputLog();
  const one = log.read(null);
  const closed = one.next();
  one.close();
  expect(await closed).toBeNull();
  const other = log.read(null).next();
  log.end(ended({ code: "node_lost", message: "gone" }));
  expect(await other).toBeNull();
  expect(log.failure).toEqual({ code: "node_lost", message: "gone" });
});

test("property: wherever a reader left off, it gets what it missed and nothing twice", async () => {
  const deltas = fc.array(fc.oneof(fc.string({ maxLength: 3 }), fc.constant("")), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(deltas, fc.array(fc.nat(30), { maxLength: 4 }), async (texts, stops) => {
      const log = outputLog();
      let at = 0;
      for (const stop of stops.toSorted((a, b) => a - b)) {
        void log.deltas(1, at, words(...texts.slice(at, stop)));
        at = Math.max(at, Math.min(stop, texts.length));
      }
      void log.deltas(1, at, words(...texts.slice(at)));
      log.end(ended());
      const all = await rest(log.read(null));
      expect(text(all)).toBe(texts.join(""));
      for (let cut = 0; cut < all.length; cut++) {
        const after = await rest(log.read(piecePosition(`${all[cut]?.attempt}:${all[cut]?.offset}`)));
        expect(after).toEqual(all.slice(cut + 1));
      }
    }),
    { numRuns: 60 },
  );
});
