// Downloading, trying and swapping, with real files and processes: shell scripts stand for executables where one has to
// run, and the first bytes of an executable where one has to look like it.
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { manualClock } from "../lib/clock.ts";
import { downloadDraft } from "./draft.ts";
import type { FeedDeps } from "./feed.ts";
import { clearDrafts, openPlace, type Place } from "./place.ts";
import { selfTest } from "./self-test.ts";
import { swapIn } from "./swap.ts";
import { isWanted, type Offer, rollBack } from "./update.ts";

const root = realpathSync(mkdtempSync(join(tmpdir(), "infernet-update-")));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const saying = (version: string): string => `#!/bin/sh\necho '{"version":"${version}","commit":null}'\n`;
const PID = 4_000_000;
let place: Place;
beforeEach(() => {
  const executable = join(mkdtempSync(join(root, "bin-")), "infernet");
  writeFileSync(executable, saying("1.0.0"), { mode: 0o750 });
  place = placeOf(executable);
});

function placeOf(path: string): Place {
  const opened = openPlace(path, PID);
  if (!opened.ok) throw new Error(opened.error.message);
  return opened.value;
}
const names = (): string[] => readdirSync(join(place.executable, "..")).sort();
const refusedAs = (code: string, message: RegExp | string) => ({
  ok: false,
  error: { code, message: expect.stringMatching(message) },
});
const running = { nowMs: () => Date.now(), isRunning: () => true };
const ended = { nowMs: () => Date.now(), isRunning: () => false };
const trying = { env: { PATH: process.env.PATH }, selfTestMs: 20_000 };

describe("the place", () => {
  test("is that of the file itself, not of a link to it", () => {
    const link = join(root, `link-${basename(mkdtempSync(join(root, "x-")))}`);
    symlinkSync(place.executable, link);
    expect(placeOf(link).executable).toBe(place.executable);
  });

  test("a draft that was left behind is removed; other files are not touched", () => {
    for (const name of [
      "infernet.update-77",
      "infernet.update-78.old",
      "infernet.update-x",
      "infernet.update",
      "other",
    ])
      writeFileSync(join(place.executable, "..", name), "");
    expect(clearDrafts(place, ended)).toEqual({ ok: true, value: undefined });
    expect(names()).toEqual(["infernet", "infernet.update", "infernet.update-x", "other"]);
  });

  test("a draft of another update at work refuses this one", () => {
    writeFileSync(`${place.executable}.update-77`, "");
    expect(clearDrafts(place, running)).toMatchObject(refusedAs("busy", /another update is going on \(pid 77\)/));
    expect(names()).toEqual(["infernet", "infernet.update-77"]);
  });

  test("a draft older than any update is nobody's, whoever has its process id now", () => {
    writeFileSync(`${place.executable}.update-77`, "");
    const later = Date.now() + 3 * 3_600_000;
    expect(clearDrafts(place, { ...running, nowMs: () => later }).ok).toBe(true);
    expect(names()).toEqual(["infernet"]);
  });
});

describe("a download", () => {
  const bytes = Buffer.alloc(300_000, 7);
  bytes.write("7f454c46020101", 0, "hex");
  bytes.writeUInt16LE(0x3e, 18);
  const sha256 = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
  const url = new URL("https://feed.example/infernet-linux-x64");
  const wanted = {
    url,
    file: { file: "infernet-linux-x64", bytes: bytes.length, sha256, engine: true },
    target: "linux-x64",
  };
  const serving = (body: Uint8Array): FeedDeps => ({
    clock: manualClock(),
    fetch: async () => new Response(new Blob([new Uint8Array(body)])),
    limits: { silenceMs: 10_000, totalMs: 20_000, manifestMs: 20_000 },
    signal: new AbortController().signal,
  });
  const changed = Buffer.from(bytes);
  changed.writeUInt8(8, 200_000);

  test("is kept with the rights of what it is to replace, and told as it comes", async () => {
    const seen: number[] = [];
    expect(await downloadDraft(serving(bytes), place, wanted, (at) => void seen.push(at))).toMatchObject({ ok: true });
    expect(readFileSync(place.draft).equals(bytes)).toBe(true);
    expect(statSync(place.draft).mode & 0o777).toBe(0o750);
    expect(seen.at(-1)).toBe(bytes.length);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
  });

  test.each([
    ["truncated", bytes.subarray(0, -1), wanted, "file_wrong", /has 299999 bytes, not 300000/],
    ["longer", Buffer.concat([bytes, bytes]), wanted, "feed_failed", /larger than 300000 bytes/],
    ["changed in one byte", changed, wanted, "file_wrong", /SHA-256 differs/],
    ["empty", Buffer.alloc(0), wanted, "file_wrong", /has 0 bytes/],
    [
      "for another machine",
      bytes,
      { ...wanted, target: "linux-arm64" },
      "file_wrong",
      /made for linux-x64.*needs linux-arm64/,
    ],
    ["for another system", bytes, { ...wanted, target: "darwin-x64" }, "file_wrong", /made for linux-x64/],
  ] as const)("that is %s is refused and removed", async (_, body, want, code, why) => {
    expect(await downloadDraft(serving(body), place, want, () => undefined)).toMatchObject(refusedAs(code, why));
    expect(names()).toEqual(["infernet"]);
  });

  test("of a musl executable passes as its system's", async () => {
    const musl = { ...wanted, target: "linux-x64-musl" };
    expect(await downloadDraft(serving(bytes), place, musl, () => undefined)).toMatchObject({ ok: true });
  });

  test("that cannot be written is refused by the disk's reason", async () => {
    const gone = { ...place, draft: join(`${place.executable}-gone`, "infernet") };
    const result = await downloadDraft(serving(bytes), gone, wanted, () => undefined);
    expect(result).toMatchObject(refusedAs("disk_failed", /ENOENT/));
  });
});

describe("a self-test", () => {
  const program = (text: string): string => {
    const path = join(mkdtempSync(join(root, "try-")), "program");
    writeFileSync(path, text, { mode: 0o755 });
    return path;
  };

  test("tells the version", async () => {
    expect(await selfTest(trying, program(saying("2.0.0")))).toEqual({
      ok: true,
      value: { version: "2.0.0", commit: null },
    });
  });

  test.each([
    ["dies", "#!/bin/sh\necho no such library >&2\nexit 127\n", /exit code 127: no such library/],
    ["is killed", "#!/bin/sh\nkill -SEGV $$\n", /ended with SIGSEGV/],
    ["says something else", "#!/bin/sh\necho hello\n", /says "hello\\n"/],
    ["says nothing", "#!/bin/sh\n", /says ""/],
    ["is no program", "\u0000\u0001nothing", /does not work here/],
  ])("refuses what %s", async (_, text, why) => {
    expect(await selfTest(trying, program(text))).toMatchObject(refusedAs("self_test_failed", why));
  });

  test("refuses what does not end", async () => {
    const patience = { ...trying, selfTestMs: 100 };
    const hanging = program("#!/bin/sh\nexec sleep 30\n");
    expect(await selfTest(patience, hanging)).toMatchObject(refusedAs("self_test_failed", /no answer within 100 ms/));
  });
});

describe("a swap", () => {
  beforeEach(() => writeFileSync(place.draft, saying("2.0.0"), { mode: 0o755 }));

  test.each(["linux", "win32"] as const)("on %s puts the draft in place and keeps what was there", (platform) => {
    writeFileSync(place.previous, "older still");
    swapIn(place, platform);
    expect(readFileSync(place.executable, "utf8")).toBe(saying("2.0.0"));
    expect(readFileSync(place.previous, "utf8")).toBe(saying("1.0.0"));
    expect(statSync(place.previous).mode & 0o777).toBe(0o750);
    expect(names()).toEqual(["infernet", "infernet.previous"]);
  });

  test.each(["linux", "win32"] as const)("on %s that fails leaves the executable as it was", (platform) => {
    rmSync(place.draft);
    expect(() => swapIn(place, platform)).toThrow("ENOENT");
    expect(readFileSync(place.executable, "utf8")).toBe(saying("1.0.0"));
  });

  test("does not write into the file that runs", () => {
    const { ino } = statSync(place.executable);
    swapIn(place);
    expect(statSync(place.previous).ino).toBe(ino);
    expect(statSync(place.executable).ino).not.toBe(ino);
  });
});

describe("going back", () => {
  const deps = { ...trying, ...ended };

  test("exchanges the two, so that it can be undone", async () => {
    writeFileSync(place.previous, saying("0.9.0"), { mode: 0o755 });
    expect(await rollBack(deps, place)).toMatchObject({ ok: true, value: { version: "0.9.0" } });
    expect(readFileSync(place.previous, "utf8")).toBe(saying("1.0.0"));
    expect(await rollBack(deps, place)).toMatchObject({ ok: true, value: { version: "1.0.0" } });
    expect(readFileSync(place.previous, "utf8")).toBe(saying("0.9.0"));
    expect(names()).toEqual(["infernet", "infernet.previous"]);
  });

  test("needs something to go back to", async () => {
    expect(await rollBack(deps, place)).toMatchObject(refusedAs("nothing_to_restore", /infernet\.previous/));
  });

  test("leaves all as it is where the one before does not run any more", async () => {
    writeFileSync(place.previous, "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    expect(await rollBack(deps, place)).toMatchObject(refusedAs("self_test_failed", /exit code 1/));
    expect(readFileSync(place.executable, "utf8")).toBe(saying("1.0.0"));
    expect(names()).toEqual(["infernet", "infernet.previous"]);
  });
});

describe("what is wanted", () => {
  const current = { version: "1.0.0", target: "linux-x64" };
  const file = { file: "infernet-linux-x64", bytes: 1, sha256: "ab".repeat(32), engine: true };
  const offer = (order: Offer["order"], over: Partial<Offer> = {}): Offer => ({
    release: {
      format: 1,
      product: "infernet",
      version: "1.1.0",
      commit: null,
      date: "2026-01-02T03:04:05Z",
      targets: { "linux-arm64": file },
    },
    order,
    file,
    fileUrl: new URL("https://feed.example/infernet-linux-x64"),
    ...over,
  });
  const no = { allowDowngrade: false };

  test("is what is newer, and an older one only where it is asked for", () => {
    expect(isWanted(offer("newer"), current, no)).toEqual({ ok: true, value: true });
    expect(isWanted(offer("same"), current, no)).toEqual({ ok: true, value: false });
    expect(isWanted(offer("older"), current, no)).toMatchObject(refusedAs("older", /older than this executable/));
    expect(isWanted(offer("older"), current, { allowDowngrade: true })).toEqual({ ok: true, value: true });
  });

  test("is nothing that was not made for this machine", () => {
    const foreign = offer("newer", { file: null, fileUrl: null });
    const refused = isWanted(foreign, current, no);
    expect(refused).toMatchObject(refusedAs("target_missing", /no executable for linux-x64/));
    expect(refused).toMatchObject({ error: { hint: "it has linux-arm64" } });
  });
});
