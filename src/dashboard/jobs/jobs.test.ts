// Pages of jobs on the real server: what they show, to whom, and who may cancel.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type CoordinatorStage, coordinatorStage, storedJob } from "../../http/testing/coordinator-stage.ts";
import type { AttemptRecord, Job, JobSpec } from "../../jobs/job.ts";
import { outputLog } from "../../jobs/output-log.ts";
import { jobContent } from "../../jobs/schema.ts";
import { NO_EXTRA, recorder, spec } from "../../jobs/testing/stage.ts";
import type { Pubkey } from "../../protocol/primitives.ts";
import { type SignedIn, signedIn } from "../testing/signed-in.ts";

const HOSTILE = `"><script>alert(1)</script>\u202e`;
let on: CoordinatorStage;
let mine: SignedIn;
beforeEach(async () => {
  on = await coordinatorStage();
  mine = await signedIn(on);
});
afterEach(() => on[Symbol.asyncDispose]());

const page = async (who: SignedIn, path: string): Promise<string> => (await who.get(path)).text();
const admin = () => signedIn(on, { email: "ada@example.org", roles: ["admin"] });

/** A job of the account, live: it waits where no node with room is there. */
async function live(over: Partial<JobSpec> = {}): Promise<Job> {
  if (on.registry.nodes.size === 0) on.node(1, { slots: 0 });
  const wanted = spec({ accountId: mine.accountId, ...over });
  const taken =
    wanted.kind === "chat"
      ? on.jobs.submit(wanted, recorder())
      : await on.jobs.submitAsync(wanted, outputLog(), NO_EXTRA, () => undefined);
  if (!taken.ok) throw new Error(JSON.stringify(taken.error));
  return taken.value;
}
/** A stream of updates, of which each call waits for so much. */
async function followed(path: string): Promise<(wanted: string) => Promise<void>> {
  const reader = (await mine.get(path)).body?.getReader();
  const decoder = new TextDecoder();
  let told = "";
  return async (wanted) => {
    while (!told.includes(wanted)) {
      const piece = await reader?.read();
      if (piece?.value === undefined) throw new Error(`it ended before it told of ${wanted}: ${told}`);
      told += decoder.decode(piece.value, { stream: true });
    }
  };
}
const attempt = (over: Partial<AttemptRecord> = {}): AttemptRecord => ({
  n: 1,
  node: "a".repeat(64) as Pubkey,
  node_name: "cedar",
  model: "m",
  why: {
    ...{ strategy: "balanced", eligible: 1, best: 1, load: 0, tokens_per_s: 0 },
    ...{ price_input: 0, price_output: 0, last_resort: false },
  },
  took_over: null,
  resumable: true,
  dispatched_ms: 1,
  first_delta_ms: 1,
  ended_ms: 2,
  pieces: 3,
  bytes: 9,
  outcome: "completed",
  error: null,
  ...over,
});

describe("a job's page", () => {
  test("is its account's and the admins'; to all others there is no such job", async () => {
    const id = await storedJob(on, { accountId: mine.accountId });
    const other = await signedIn(on, { email: "bob@example.org" });
    const paths = [`/jobs/${id}`, `/live/jobs/${id}`, `/jobs/${id}/receipts`];
    for (const path of paths) expect([path, (await other.get(path)).status]).toEqual([path, 404]);
    for (const path of ["/jobs/x", `/jobs/${Bun.randomUUIDv7()}`, "/jobs/%00"])
      expect((await mine.get(path)).status).toBe(404);
    expect((await mine.get(`/jobs/${id}`)).status).toBe(200);
    expect((await (await admin()).get(`/jobs/${id}`)).status).toBe(200);
  });

  test("shows what was asked and answered to its account only, and what backends quote of it too", async () => {
    const error = { code: "backend_failed", message: "cannot parse: between us" } as const;
    const id = await storedJob(on, {
      accountId: mine.accountId,
      state: "failed",
      attempts: [attempt({ outcome: "failed", error })],
      errorCode: error.code,
      errorMessage: error.message,
    });
    const request = JSON.stringify({ messages: [{ role: "user", content: `between us ${HOSTILE}` }] });
    await on.database.db.writer.transact((tx) => tx.insert(jobContent).values({ jobId: id, request, expiresMs: 8e15 }));
    const own = await page(mine, `/jobs/${id}`);
    expect(own.match(/between us/g)?.length).toBeGreaterThan(2);
    expect(own).not.toContain("<script>alert");
    const seen = await page(await admin(), `/jobs/${id}`);
    expect(seen).toContain("Not yours to read");
    expect(seen).toContain("backend_failed");
    expect(seen).not.toContain("between us");
  });

  test("shows a running chat's text to its person, and to nobody in an organisation", async () => {
    const node = on.node(1);
    const member = await signedIn(on, { email: "m@example.org", member: true });
    const [job, theirs] = [await live(), await live({ accountId: member.accountId })];
    for (const { run } of [job, theirs]) node.stream(node.attempts.get(run?.id ?? "") as never, 3);
    expect(await page(mine, `/jobs/${job.id}`)).toContain("0;1;2;");
    const shown = await page(member, `/jobs/${theirs.id}`);
    expect(shown).not.toContain("0;1;2;");
    expect(shown).toContain("Not kept");
  });

  test("is followed by its own stream, which ends with the job", async () => {
    const job = await live();
    const told = await followed(`/live/jobs/${job.id}`);
    await told("Waiting");
    on.jobs.cancel(job, { code: "client_gone", message: "gone" });
    await told("event: done");
    await told("Cancelled");
  });
});

describe("cancelling", () => {
  test("is for owners of the account", async () => {
    const member = await signedIn(on, { email: "m@example.org", member: true });
    const other = await signedIn(on, { email: "bob@example.org" });
    const ada = await admin();
    const job = await live({ kind: "async" });
    const theirs = await live({ kind: "async", accountId: member.accountId });
    const cancelled = (who: SignedIn, { id }: Job) => who.post(`/jobs/${id}/cancel`);
    expect((await cancelled(other, job)).status).toBe(404);
    expect((await cancelled(ada, job)).status).toBe(404);
    expect((await cancelled(member, theirs)).status).toBe(403);
    expect(await page(member, `/jobs/${theirs.id}`)).not.toContain("/cancel");
    expect([job.state, theirs.state]).toEqual(["queued", "queued"]);
    expect(await page(mine, `/jobs/${job.id}`)).toContain("/cancel");
    const done = await cancelled(mine, job);
    expect([done.status, done.headers.get("location")]).toEqual([303, `/jobs/${job.id}`]);
    expect(job.state).toBe("cancelled");
    expect((await cancelled(mine, job)).status).toBe(409);
  });
});

describe("the list", () => {
  test("has the jobs of the account one acts for, and everybody's for admins, with whose they are", async () => {
    const id = await storedJob(on, {
      accountId: mine.accountId,
      model: HOSTILE,
      attempts: [attempt({ node_name: HOSTILE })],
    });
    const foreign = await storedJob(on, { accountId: "other" });
    const waiting = await live();
    const list = await page(mine, "/jobs");
    expect(list).toContain(`job-${id}`);
    expect(list).toContain(`job-${waiting.id}`);
    expect(list).not.toContain(foreign);
    expect(list).not.toContain("<script>alert");
    expect(list).not.toContain("\u202e");
    expect(await page(mine, `/jobs?account=other&q=${foreign}`)).not.toContain(`job-${foreign}`);
    const ada = await admin();
    const all = await page(ada, "/admin/jobs");
    for (const one of [id, foreign, waiting.id]) expect(all).toContain(`job-${one}`);
    const others = await page(ada, "/admin/jobs?q=other");
    expect(others).toContain(`job-${foreign}`);
    expect(others).not.toContain(`job-${id}`);
    expect((await mine.get("/admin/jobs")).status).toBe(403);
  });

  test("is found by a job's beginning, and by its node, which is the node's page's way here", async () => {
    const id = await storedJob(on, { accountId: mine.accountId, nodePubkey: "a".repeat(64) });
    await storedJob(on, { accountId: mine.accountId, nodePubkey: "b".repeat(64) });
    for (const query of [`q=${id.slice(0, 23)}`, `q=${"a".repeat(64)}`, `node=${"a".repeat(64)}`]) {
      const found = await page(mine, `/jobs?${query}`);
      expect(found.match(/<tr id="job-/g)?.length).toBe(1);
      expect(found).toContain(`job-${id}`);
    }
    expect(await page(mine, "/jobs?q=nobody")).toContain("Nothing is called that");
  });

  test("goes page by page to older jobs and back, with its filters", async () => {
    for (let i = 0; i < 60; i++) await storedJob(on, { accountId: mine.accountId, state: "failed" });
    const first = await page(mine, "/jobs?state=failed");
    const older = /href="([^"]+before=[^"]+)"/.exec(first)?.[1]?.replaceAll("&amp;", "&") ?? "";
    expect(older).toContain("state=failed");
    const second = await page(mine, older);
    expect([first, second].map((html) => html.match(/<tr id="job-/g)?.length)).toEqual([50, 10]);
    const newer = /href="([^"]+after=[^"]+)"/.exec(second)?.[1]?.replaceAll("&amp;", "&") ?? "";
    expect((await page(mine, newer)).match(/<tr id="job-/g)?.length).toBe(50);
  });

  test("is a file of what is asked for, which no spreadsheet runs", async () => {
    const id = await storedJob(on, { accountId: mine.accountId, model: "=1+1" });
    await storedJob(on, { accountId: mine.accountId, model: "n" });
    await storedJob(on, { accountId: "other", model: "=1+1" });
    const answer = await mine.get("/jobs.csv?model=%3D1%2B1");
    expect(answer.headers.get("content-disposition")).toContain("jobs.csv");
    const lines = (await answer.text()).trim().split("\r\n");
    expect(lines.length).toBe(2);
    expect(lines[1]).toStartWith(`${id},`);
    expect(lines[1]).toContain(",'=1+1,");
  });

  test("has what is over among what lives until its end is stored, and then among what ended", async () => {
    const job = await live({ kind: "async" });
    on.storage.broken = true;
    on.jobs.cancel(job, { code: "client_gone", message: "gone" });
    const sides = async () => {
      const [above = "", below = ""] = (await page(mine, "/jobs")).split('id="jobs-list-card"');
      return [above.includes(`id="job-${job.id}"`), below.includes(`id="job-${job.id}"`)];
    };
    expect(await sides()).toEqual([true, false]);
    on.storage.broken = false;
    on.clock.advance(1_000);
    await on.settle();
    expect(await sides()).toEqual([false, true]);
  });

  test("and a job's page do not wait for a disk that keeps what is written", async () => {
    Object.assign(on.dashboard.db.writer, { busyMs: () => 60_000 });
    Object.assign(on.dashboard.jobs, { recorded: () => new Promise<void>(() => undefined) });
    expect((await mine.get("/jobs")).status).toBe(200);
    expect((await mine.get(`/jobs/${on.jobs.newId()}`)).status).toBe(404);
  });

  test("tells by its stream of what lives, and how many ended", async () => {
    const job = await live();
    const told = await followed("/live/jobs");
    await told(`job-${job.id}`);
    await told("event: ended\ndata: 0");
    on.jobs.cancel(job, { code: "client_gone", message: "gone" });
    await told("event: ended\ndata: 1");
  });
});
