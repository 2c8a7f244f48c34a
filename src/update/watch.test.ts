// What a running instance knows of releases: from a signed feed on this machine, asked only when it should be.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newerIn } from "../admin/updates.ts";
import { manualClock } from "../lib/clock.ts";
import { silentLog } from "../lib/log.ts";
import { encodeRelease, publicKeyHex, type Release, signRelease } from "./manifest.ts";
import { LOOK_LIMITS, type UpdateWatch, type WatchDeps, watchUpdates } from "./watch.ts";

const DAY_MS = 86_400_000;
const { privateKey } = generateKeyPairSync("ed25519");
const url = "https://feed.example/r/";
const feed = { url, publicKeys: [publicKeyHex(privateKey)] };
const file = { file: "infernet-linux-x64", bytes: 1, sha256: "ab".repeat(32), engine: true };
const release = (over: Partial<Release> = {}): Release => ({
  ...{ format: 1, product: "infernet", version: "2.0.0", commit: null, date: "2026-01-02T03:04:05Z" },
  targets: { "linux-x64": file },
  ...over,
});

let directory: string;
let clock: ReturnType<typeof manualClock>;
let watches: UpdateWatch[];
let asked: string[];
let served: Release;
let signature: (bytes: Uint8Array) => string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "infernet-updates-"));
  clock = manualClock();
  [watches, asked, served] = [[], [], release()];
  signature = (bytes) => signRelease(bytes, privateKey);
});
afterEach(() => {
  for (const watch of watches) watch.stop();
  rmSync(directory, { recursive: true, force: true });
});

const keptFile = () => join(directory, "update.json");
function started(over: Partial<WatchDeps> = {}): UpdateWatch {
  const watch = watchUpdates({
    ...{ clock, feed, daily: false, version: "1.0.0+abc", target: "linux-x64", limits: LOOK_LIMITS, file: keptFile() },
    log: silentLog,
    async fetch(address) {
      asked.push(address);
      const bytes = encodeRelease(served);
      return new Response(address.endsWith(".sig") ? signature(bytes) : Buffer.from(bytes));
    },
    ...over,
  });
  watches.push(watch);
  return watch;
}

test("nobody is called before somebody asks, however long it runs", async () => {
  const watch = started();
  clock.advance(30 * DAY_MS);
  expect(watch.state()).toEqual({
    ...{ version: "1.0.0+abc", target: "linux-x64", feed: url, daily: false, found: null },
  });
  expect(asked).toEqual([]);
});

test("what the feed has is known after a look, and after a restart without another one", async () => {
  const found = {
    ...{ version: "2.0.0", date: "2026-01-02T03:04:05Z", order: "newer", fits: true },
    checked_ms: clock.nowMs(),
  };
  expect(await started().check()).toMatchObject({ ok: true, value: { found } });
  expect(asked).toEqual([`${url}release.json`, `${url}release.json.sig`]);
  const again = started();
  expect(again.state().found).toMatchObject(found);
  expect(newerIn(again.state())).toMatchObject({ version: "2.0.0" });
  expect(asked).toHaveLength(2);
});

test("it is named until that version runs, and not where it is not made for this machine or older", async () => {
  await started().check();
  expect(newerIn(started({ version: "2.0.0+def" }).state())).toBeNull();
  expect(newerIn(started({ version: "2.1.0" }).state())).toBeNull();
  expect(newerIn(started({ target: "darwin-arm64" }).state())).toBeNull();
  expect(newerIn(started({ target: null }).state())).toBeNull();
  expect(newerIn(started({ version: "1.9.9" }).state())).not.toBeNull();
});

test("two who ask at once ask the feed once", async () => {
  const watch = started();
  const [one, other] = await Promise.all([watch.check(), watch.check()]);
  expect([one.ok, other.ok, asked.length]).toEqual([true, true, 2]);
});

test("a feed that is not signed as it must be is refused, and what was known stays", async () => {
  const watch = started();
  await watch.check();
  served = release({ version: "3.0.0" });
  signature = () => "00".repeat(64);
  expect(await watch.check()).toMatchObject({ ok: false, error: { code: "signature_wrong" } });
  expect(watch.state().found?.version).toBe("2.0.0");
});

test("without a feed there is nothing to ask, and the hint says what to set", async () => {
  const watch = started({ feed: null });
  expect(await watch.check()).toMatchObject({ ok: false, error: { hint: expect.stringContaining("[update] feed") } });
  expect([asked, watch.state().feed]).toEqual([[], null]);
});

test("what another feed said, and what cannot be read, is forgotten", async () => {
  await started().check();
  const kept = JSON.parse(readFileSync(keptFile(), "utf8")) as object;
  expect(started({ feed: { ...feed, url: "https://other.example/" } }).state().found).toBeNull();
  for (const text of ["", "{", JSON.stringify({ ...kept, version: "<b>" }), JSON.stringify({ ...kept, more: 1 })]) {
    writeFileSync(keptFile(), text);
    expect(started().state().found).toBeNull();
  }
});

test("where it cannot be kept it is known all the same", async () => {
  const watch = started({ file: join(directory, "missing", "update.json") });
  expect((await watch.check()).ok).toBe(true);
  expect(watch.state().found?.version).toBe("2.0.0");
});

describe("once a day, where that is configured", () => {
  test("it is looked at some time after the start, then a day later", async () => {
    const watch = started({ daily: true });
    expect(asked).toEqual([]);
    clock.advance(3_600_000);
    expect(asked).toEqual([`${url}release.json`]);
    await watch.check();
    const looks = asked.length;
    clock.advance(DAY_MS / 2);
    expect(asked).toHaveLength(looks);
    clock.advance(DAY_MS / 2);
    expect(asked.length).toBeGreaterThan(looks);
    await watch.check();
  });

  test("a look that was made while the clock was years ahead keeps nobody from the next", async () => {
    await started().check();
    const kept = JSON.parse(readFileSync(keptFile(), "utf8")) as object;
    writeFileSync(keptFile(), JSON.stringify({ ...kept, checked_ms: clock.nowMs() + 1_000 * DAY_MS }));
    const watch = started({ daily: true });
    const looks = asked.length;
    clock.advance(DAY_MS);
    expect(asked.length).toBeGreaterThan(looks);
    await watch.check();
  });

  test("a restart is no reason to look again", async () => {
    const watch = started({ daily: true });
    await watch.check();
    watch.stop();
    const looks = asked.length;
    started({ daily: true });
    clock.advance(DAY_MS / 2);
    expect(asked).toHaveLength(looks);
  });
});
