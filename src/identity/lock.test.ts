import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DataDirectory, openDataDirectory } from "./data-dir.ts";
import { checkLockFree, lockDataDirectory, type Owner, readOwner } from "./lock.ts";

let dir: DataDirectory;
beforeEach(() => {
  const opened = openDataDirectory(mkdtempSync(join(tmpdir(), "infernet-lock-")));
  if (!opened.ok) throw new Error(opened.error.message);
  dir = opened.value;
});
afterEach(() => rmSync(dir.path, { recursive: true, force: true }));

const me: Owner = { pid: process.pid, started_at_ms: 1_760_000_000_000, mode: "both", version: "0.1.0", url: null };

/** A process that takes the lock, says how it went, and stays until its stdin ends or it is killed. */
function holder() {
  const source = (file: string) => JSON.stringify(join(import.meta.dir, file));
  const program = `
    import { lockDataDirectory } from ${source("lock.ts")};
    const path = ${JSON.stringify(dir.path)};
    const owner = { pid: process.pid, started_at_ms: 1, mode: "node", version: "0.1.0", url: null };
    const locked = lockDataDirectory({ path, file: (name) => path + "/" + name }, owner);
    console.log(locked.ok ? "locked" : locked.error.message);
    if (locked.ok) for await (const _ of Bun.stdin.stream());`;
  return Bun.spawn([process.execPath, "-e", program], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
}
async function firstLine(process: ReturnType<typeof holder>): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const piece of process.stdout) {
    text += decoder.decode(piece, { stream: true });
    if (text.includes("\n")) break;
  }
  return text.trim();
}

test("a free directory is locked and its owner readable beside the lock", () => {
  expect(checkLockFree(dir).ok).toBe(true);
  const locked = lockDataDirectory(dir, me);
  if (!locked.ok) throw new Error(locked.error.message);
  expect(readOwner(dir)).toEqual(me);
  expect(statSync(dir.file("lock")).mode & 0o777).toBe(0o600);
  locked.value.describe({ ...me, url: "http://127.0.0.1:46337" });
  expect(readOwner(dir)?.url).toBe("http://127.0.0.1:46337");
  locked.value.release();
  expect(checkLockFree(dir).ok).toBe(true);
});

test("a second lock is refused in the same process too, and works after the release", () => {
  const first = lockDataDirectory(dir, me);
  if (!first.ok) throw new Error(first.error.message);
  expect(lockDataDirectory(dir, me)).toMatchObject({ ok: false, error: { code: "already_running", owner: me } });
  expect(checkLockFree(dir).ok).toBe(false);
  // Neither the refused try nor the check has let the lock go.
  expect(lockDataDirectory(dir, me).ok).toBe(false);
  first.value.release();
  const second = lockDataDirectory(dir, me);
  expect(second.ok).toBe(true);
  if (second.ok) second.value.release();
});

test("while another process runs, the refusal names its pid and how to stop it; SIGKILL frees the directory", async () => {
  const other = holder();
  expect(await firstLine(other)).toBe("locked");
  const refused = lockDataDirectory(dir, me);
  if (refused.ok) throw new Error("locked twice");
  expect(refused.error.code).toBe("already_running");
  expect(refused.error.message).toContain(`already running as pid ${other.pid}`);
  expect(refused.error.hint).toContain("infernet stop");
  expect(refused.error.owner?.pid).toBe(other.pid);
  expect(checkLockFree(dir)).toMatchObject({ ok: false, error: { code: "already_running" } });

  other.kill("SIGKILL");
  await other.exited;
  expect(checkLockFree(dir).ok).toBe(true);
  const locked = lockDataDirectory(dir, me);
  if (!locked.ok) throw new Error(locked.error.message);
  expect(readOwner(dir)?.pid).toBe(process.pid);
  locked.value.release();
});

test("another process is refused while we hold the lock, also after its try", async () => {
  const locked = lockDataDirectory(dir, me);
  if (!locked.ok) throw new Error(locked.error.message);
  for (let round = 0; round < 2; round++) {
    expect(await firstLine(holder())).toContain(`already running as pid ${process.pid}`);
  }
  locked.value.release();
});

test("of several processes that start at once, one gets the lock", async () => {
  const starts = [holder(), holder(), holder()];
  const lines = await Promise.all(starts.map(firstLine));
  for (const start of starts) start.kill("SIGKILL");
  await Promise.all(starts.map((start) => start.exited));
  expect(lines.filter((line) => line === "locked")).toHaveLength(1);
});

test("what a dead process said of itself is not taken for a running one", async () => {
  const other = holder();
  expect(await firstLine(other)).toBe("locked");
  other.kill("SIGKILL");
  await other.exited;
  expect(readOwner(dir)?.pid).toBe(other.pid);
  expect(checkLockFree(dir).ok).toBe(true);
});

/** A process that looks at the lock over and over until it is killed; says how many times it found it taken. */
function looker() {
  const program = `
    import { checkLockFree } from ${JSON.stringify(join(import.meta.dir, "lock.ts"))};
    const path = ${JSON.stringify(dir.path)};
    const dir = { path, file: (name) => path + "/" + name };
    checkLockFree(dir);
    console.log("looking");
    for (;;) checkLockFree(dir);`;
  return Bun.spawn([process.execPath, "-e", program], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
}

test("looking does not get in the way of a start, nor of another look", async () => {
  const made = lockDataDirectory(dir, me);
  if (!made.ok) throw new Error(made.error.message);
  made.value.release();
  const others = [looker(), looker()];
  await Promise.all(others.map(firstLine));
  try {
    for (let round = 0; round < 300; round++) {
      const free = checkLockFree(dir);
      if (!free.ok) throw new Error(`look ${round}: ${free.error.message}`);
      if (round % 10 !== 0) continue;
      // A busy machine may stop one that looks for long, in the midst of it.
      const locked = lockDataDirectory(dir, me, 30_000);
      if (!locked.ok) throw new Error(`start ${round}: ${locked.error.message}`);
      locked.value.release();
    }
  } finally {
    for (const other of others) other.kill("SIGKILL");
    await Promise.all(others.map((other) => other.exited));
  }
});

test("a lock that is no lock file is refused by name", () => {
  writeFileSync(dir.file("lock"), "not a database ".repeat(50));
  expect(lockDataDirectory(dir, me)).toMatchObject({ ok: false, error: { code: "lock_unusable" } });
  expect(checkLockFree(dir)).toMatchObject({ ok: false, error: { code: "lock_unusable" } });
});

test("unreadable words about the owner are no owner", () => {
  writeFileSync(dir.file("instance.json"), "{");
  expect(readOwner(dir)).toBeNull();
  writeFileSync(dir.file("instance.json"), '{"pid":"1"}');
  expect(readOwner(dir)).toBeNull();
});
