// A database that can not grow any more: what needs storing is refused in clear words, chats go on, and nothing that was
// acknowledged is lost.
import { Database } from "bun:sqlite";
import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type Client, client, refusalOf } from "./harness/client.ts";
import { type FaultBackend, PLAIN_TEXT } from "./harness/fault-backend.ts";
import { createJoinToken, createKey, type Instance } from "./harness/instance.ts";
import { backendsToml, openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const model = "scripted-model";
/** A request that needs room. */
const LARGE = { messages: [{ role: "user", content: "x".repeat(60_000) }] };
/** For some of them, of 4 KiB. */
const ROOM_PAGES = 100;
/** More than would ever be taken. */
const MOST_JOBS = 400;

let stage: Stage;
let backend: FaultBackend;
let coordinator: Instance;
let api: Client;

beforeEach(async () => {
  stage = await openStage();
  backend = stage.backend({ model });
});
afterEach(() => stage.close());
afterAll(() => stage.close());

async function start(dataDirectory: string, config: string): Promise<void> {
  coordinator = await stage.start({ mode: "coordinator", dataDirectory, config });
  api = client(() => coordinator.url, await createKey(stage.executable, coordinator), model);
  const token = await createJoinToken(stage.executable, coordinator);
  await stage.start({
    mode: "node",
    config: `[node]\njoin_token = "${token}"\nslots = 2\n${backendsToml([backend.url])}`,
  });
  await stage.served(coordinator, model);
}

/** Pages of a database with nothing but its tables, of which each version has more. */
async function emptyPages(dataDirectory: string): Promise<number> {
  const first = await stage.start({ mode: "coordinator", dataDirectory });
  await first.stop();
  const database = new Database(join(dataDirectory, "infernet.db"), { readonly: true });
  const row = z.object({ page_count: z.int() }).parse(database.query("PRAGMA page_count").get());
  database.close();
  return row.page_count;
}

/** Submits until one is refused; the ids of those that were taken. */
async function fill(): Promise<string[]> {
  const taken: string[] = [];
  while (taken.length < MOST_JOBS) {
    const response = await api.submit(LARGE);
    if (response.status === 202) taken.push(((await response.json()) as { id: string }).id);
    else {
      expect(response.headers.get("retry-after")).toMatch(/^\d+$/);
      const refusal = await refusalOf(response);
      expect(refusal).toMatchObject({ status: 503, code: "storage_failed", type: "server_error", param: null });
      expect(refusal.message).toMatch(/disk|full|stor/);
      return taken;
    }
  }
  throw new Error(`${taken.length} jobs were taken and nothing was full`);
}

async function expectChats(): Promise<void> {
  for (let count = 0; count < 3; count++) {
    expect(await api.readChat()).toMatchObject({ text: PLAIN_TEXT, done: true, error: null });
  }
  const health = await fetch(`${coordinator.url}/healthz`);
  expect(health.status).toBe(200);
  // A balancer that has another coordinator sends new work there.
  const ready = await fetch(`${coordinator.url}/readyz`);
  expect([ready.status, await ready.text()]).toEqual([503, "the database cannot be written (storage_full)\n"]);
}
const isReady = async () => (await fetch(`${coordinator.url}/readyz`)).status === 200;

async function expectAllComplete(ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const job = await api.jobIn(id, ["completed", "failed", "cancelled", "expired"]);
    expect([job.status, job.result?.choices[0]?.message.content]).toEqual(["completed", PLAIN_TEXT]);
  }
  expect(new Set((await everyAsyncJob()).filter((id) => ids.includes(id))).size).toBe(ids.length);
}
async function everyAsyncJob(): Promise<string[]> {
  const all: string[] = [];
  for (let cursor: string | null = ""; cursor !== null; ) {
    const page = await api.jobs(`?limit=100${cursor === "" ? "" : `&cursor=${cursor}`}`);
    all.push(...page.data.filter(({ kind }) => kind === "async").map(({ id }) => id));
    cursor = page.next_cursor;
  }
  return all;
}

test("at its page limit jobs are refused with 503, chats go on, and after raising it all that was taken completes", async () => {
  const dataDirectory = stage.directory("full");
  backend.script({ holdAfter: 0 }); // jobs pile up in every state before their end
  const pages = (await emptyPages(dataDirectory)) + ROOM_PAGES;
  await start(dataDirectory, `[coordinator]\nqueue_limit = 1000\n[database]\nmax_page_count = ${pages}\n`);
  const taken = await fill();
  expect(taken.length).toBeGreaterThan(2);
  backend.script({ holdAfter: null });
  backend.release();
  await expectChats();
  const backup = await stage.run(coordinator, ["backup", join(stage.directory("backup"), "copy.db")]);
  expect(backup).toMatchObject({ code: 0 }); // reading is as good as ever
  // Killed while it is full: what waits to be written is lost, what was acknowledged is not.
  await coordinator.kill9();
  coordinator = await stage.start({
    mode: "coordinator",
    dataDirectory,
    port: Number(new URL(coordinator.url).port),
    config: "[coordinator]\nqueue_limit = 1000\n[database]\nmax_page_count = 100000\n",
  });
  await stage.served(coordinator, model);
  await expectAllComplete(taken);
  expect((await api.submit(LARGE)).status).toBe(202);
  await coordinator.stop();
  const database = new Database(join(dataDirectory, "infernet.db"), { readonly: true });
  expect(database.query("PRAGMA integrity_check").all()).toEqual([{ integrity_check: "ok" }]);
  database.close();
});

const mountable = ((): boolean => {
  const directory = join("/tmp", `infernet-mount-${process.pid}`);
  mkdirSync(directory, { recursive: true });
  const mounted = mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", directory);
  if (mounted) Bun.spawnSync(["umount", directory]);
  Bun.spawnSync(["rmdir", directory]);
  return mounted;
})();
function mount(...args: string[]): boolean {
  return Bun.which("mount") !== null && Bun.spawnSync(["mount", ...args], { stderr: "ignore" }).success;
}

const why = mountable ? "" : " (skipped: mounting is not allowed here)";
test.skipIf(!mountable)(
  `on a full disk it is the same, and once there is room it goes on by itself${why}`,
  async () => {
    const dataDirectory = stage.directory("disk");
    expect(mount("-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", dataDirectory)).toBe(true);
    stage.onClose(() => void Bun.spawnSync(["umount", "-l", dataDirectory]));
    backend.script({ holdAfter: 0 });
    await start(dataDirectory, "[coordinator]\nqueue_limit = 1000\n");
    const taken = await fill();
    expect(taken.length).toBeGreaterThan(2);
    backend.script({ holdAfter: null });
    backend.release();
    await expectChats();
    const doctor = await stage.run(coordinator, ["doctor"]);
    expect(doctor.stdout).toMatch(/disk|space/i);
    expect(mount("-o", "remount,size=256m", dataDirectory)).toBe(true);
    await waitFor("it to be ready again by itself", isReady);
    await waitFor("jobs to be taken again", async () => (await api.submit(LARGE)).status === 202);
    await expectAllComplete(taken);
    // The chats of the meantime are recorded after all.
    await waitFor(
      "the chats to be recorded",
      async () =>
        (await api.jobs("?limit=100&status=completed")).data.filter(({ kind }) => kind === "chat").length >= 3,
    );
    expect(await coordinator.stop()).toEqual({ code: 0, signal: null });
  },
);
