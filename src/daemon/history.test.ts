// The history of a node, over restarts and through files that are no history.
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { manualClock } from "../lib/clock.ts";
import { silentLog } from "../lib/log.ts";
import { openHistory } from "./history.ts";
import { type AttemptEnd, keptAttempt } from "./kept-attempts.ts";

let dataDirectory: string;
beforeEach(() => {
  dataDirectory = mkdtempSync(join(tmpdir(), "infernet-history-"));
});
afterEach(() => rmSync(dataDirectory, { recursive: true }));

const DONE: AttemptEnd = {
  outcome: "completed",
  finish: [{ index: 0, reason: "stop" }],
  usage: { prompt_tokens: 7, completion_tokens: 3 },
};
const FAILED: AttemptEnd = {
  outcome: "failed",
  finish: [],
  usage: null,
  error: { code: "backend_failed", message: "no" },
};

test("what runs, what ended and the sums of days are there after a restart", () => {
  const clock = manualClock(20_000 * 86_400_000);
  const open = () => openHistory({ clock, log: silentLog, dataDirectory, isOnline: () => true });
  const first = open();
  const [one, other] = [keptAttempt("a.1"), keptAttempt("b.1")];
  first.started(one, "m", "https://c.example");
  first.started(other, "m", "https://c.example");
  one.pieces = 5;
  expect(first.running().map(({ attempt, pieces }) => [attempt, pieces])).toEqual([
    ["a.1", 5],
    ["b.1", 0],
  ]);
  clock.advance(4_000);
  first.ended(one, DONE);
  first.ended(other, FAILED);
  clock.advance(10_000);
  first.stop();
  expect(statSync(join(dataDirectory, "history.json")).mode & 0o777).toBe(0o600);
  const second = open();
  expect(second.running()).toEqual([]);
  expect(second.recent()).toEqual([
    expect.objectContaining({
      attempt: "b.1",
      outcome: "failed",
      error: "backend_failed: no",
      completion_tokens: null,
    }),
    expect.objectContaining({
      attempt: "a.1",
      outcome: "completed",
      prompt_tokens: 7,
      completion_tokens: 3,
      error: null,
    }),
  ]);
  expect(second.days()).toEqual([
    { day: 20_000, online_s: 14, completed: 1, failed: 1, prompt_tokens: 7, completion_tokens: 3 },
  ]);
});

test("an attempt that was never started, and one that ends twice, count for nothing", () => {
  const clock = manualClock();
  const history = openHistory({ clock, log: silentLog, dataDirectory, isOnline: () => false });
  const attempt = keptAttempt("a.1");
  history.ended(attempt, DONE);
  history.started(attempt, "m", "c");
  history.ended(attempt, DONE);
  history.ended(attempt, DONE);
  expect(history.recent().length).toBe(1);
  history.stop();
});

test("it stays small however much was done, and names are cut", () => {
  let nowMs = 0;
  const clock = { ...manualClock(), nowMs: () => nowMs };
  const history = openHistory({ clock, log: silentLog, dataDirectory, isOnline: () => true });
  for (let i = 0; i < 1_000; i++) {
    const attempt = keptAttempt(`x.${i}`);
    history.started(attempt, "m".repeat(10_000), "c");
    history.ended(attempt, { ...FAILED, error: { code: "backend_failed", message: "e".repeat(10_000) } });
    nowMs += 86_400_000;
  }
  expect([history.recent().length, history.days().length]).toEqual([200, 60]);
  history.stop();
  expect(readFileSync(join(dataDirectory, "history.json")).length).toBeLessThan(250_000);
});

test.each(["", "{", '{"ended":[{"attempt":1}],"days":[]}', "null"])(
  "a file that is no history (%p) begins anew",
  (text) => {
    writeFileSync(join(dataDirectory, "history.json"), text);
    const history = openHistory({ clock: manualClock(), log: silentLog, dataDirectory, isOnline: () => true });
    expect([history.recent(), history.days()]).toEqual([[], []]);
    history.stop();
  },
);

test("where it cannot be written the node goes on, says so once, and writes it when it can", () => {
  const clock = manualClock(20_000 * 86_400_000);
  const said: string[] = [];
  const log = { ...silentLog, warn: (text: string) => void said.push(text) };
  let online = true;
  const open = () => openHistory({ clock, log, dataDirectory, isOnline: () => online });
  const history = open();
  const inTheWay = join(dataDirectory, "history.json.new");
  // As on a disk that is read only, neither written nor removed.
  mkdirSync(inTheWay);
  const attempt = keptAttempt("a.1");
  history.started(attempt, "m", "https://c.example");
  history.ended(attempt, DONE);
  clock.advance(60_000);
  expect(said.length).toBe(1);
  online = false;
  rmSync(inTheWay, { recursive: true });
  clock.advance(10_000);
  expect(open().recent().length).toBe(1);
  history.stop();
});
