import { afterEach, expect, test } from "bun:test";
import { appendFileSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { silentLog } from "../../lib/log.ts";
import { openJournal } from "./journal.ts";
import { cleanUp, temporary } from "./testing/command-stage.ts";

afterEach(cleanUp);
const ended = (id: string, error: string | null = null) =>
  ({ t: "ended", by: "c", id, outcome: error === null ? "completed" : "failed", error }) as const;
const fileIn = (directory: string) => path.join(directory, "commands.jsonl");

test("what was noted is there after a restart, for its owner's eyes only", async () => {
  const directory = temporary();
  const journal = await openJournal(directory, silentLog);
  await journal.note(ended("1"));
  await journal.note(ended("2", "no such model"));
  await journal.note({ t: "drained", by: "c", on: true });
  await journal.note({ t: "installed", model: "a", bytes: 5 });
  await journal.note({ t: "installed", model: "b", bytes: 7 });
  await journal.note({ t: "installed", model: "a", bytes: 0 });
  await journal.close();
  if (process.platform !== "win32") expect(statSync(fileIn(directory)).mode & 0o777).toBe(0o600);
  const again = await openJournal(directory, silentLog);
  expect(again.endOf("c", "1")).toEqual({ outcome: "completed", error: null });
  expect(again.endOf("c", "2")).toEqual({ outcome: "failed", error: "no such model" });
  expect(again.endOf("d", "1")).toBeUndefined();
  expect(again.isDrainedBy("c")).toBe(true);
  expect([again.installedBytes("a"), again.installedBytes("b")]).toEqual([7, 0]);
});

test("wherever a crash tears the file, what was whole before is read, and what comes after is kept", async () => {
  const directory = temporary();
  const journal = await openJournal(directory, silentLog);
  for (const id of ["1", "2", "3"]) await journal.note(ended(id));
  await journal.close();
  const whole = readFileSync(fileIn(directory));
  const lines = [0, ...Array.from(whole, (byte, at) => (byte === 0x0a ? at + 1 : 0)).filter((at) => at > 0)];
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length), fc.string(), async (cut, garbage) => {
      const torn = temporary();
      writeFileSync(fileIn(torn), whole.subarray(0, cut));
      if (garbage !== "") appendFileSync(fileIn(torn), garbage);
      const first = await openJournal(torn, silentLog);
      await first.note(ended("new"));
      await first.close();
      const second = await openJournal(torn, silentLog);
      expect(second.endOf("c", "new")).toEqual({ outcome: "completed", error: null });
      const kept = lines.filter((end) => end <= cut).length - 1;
      for (let n = 1; n <= kept; n++) expect(second.endOf("c", `${n}`)).toBeDefined();
    }),
    { numRuns: 40 },
  );
});

test("it does not grow without end, and the newest ends outlive the oldest", async () => {
  const directory = temporary();
  writeFileSync(
    fileIn(directory),
    `${JSON.stringify({ t: "drained", by: "c", on: true })}\n${Array.from({ length: 4_998 }, (_, n) => JSON.stringify(ended(`${n}`))).join("\n")}\n`,
  );
  const journal = await openJournal(directory, silentLog);
  await journal.note(ended("last"));
  await journal.close();
  expect(readFileSync(fileIn(directory), "utf8").split("\n").length).toBe(1_002);
  const again = await openJournal(directory, silentLog);
  expect(again.endOf("c", "last")).toBeDefined();
  expect(again.endOf("c", "4990")).toBeDefined();
  expect(again.endOf("c", "5")).toBeUndefined();
  expect(again.isDrainedBy("c")).toBe(true);
});

test("where the disk takes nothing, it says so and remembers for as long as it lives", async () => {
  const directory = temporary();
  const journal = await openJournal(path.join(directory, "not", "there"), silentLog);
  const refused = await journal.note(ended("1")).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: "ENOENT" });
  expect(journal.endOf("c", "1")).toBeDefined();
});
