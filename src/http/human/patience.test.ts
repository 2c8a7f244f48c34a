// A database that hangs, seen from pages and acts: the real routes, with a database that says how long it has been silent.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { LOCAL_CALLER } from "../../accounts/caller.ts";
import { sessions } from "../../accounts/schema.ts";
import { insertUser } from "../../accounts/users.ts";
import { refusalPage } from "../../dashboard/refusal.ts";
import { StorageError } from "../../db/errors.ts";
import { type CoordinatorStage, coordinatorStage } from "../testing/coordinator-stage.ts";
import { PATIENCE_MS, withPatience } from "./patience.ts";

const nothing = () => new Promise<never>(() => undefined);

test("who waits is told once the database has been silent for too long, and never before", async () => {
  let silentMs = PATIENCE_MS - 1;
  let ended = false;
  const waited = withPatience({ silentMs: () => silentMs }, nothing).catch((error: unknown) => {
    ended = true;
    return error;
  });
  const quick = await withPatience({ silentMs: () => silentMs }, async () => "answer");
  expect([quick, ended]).toEqual(["answer", false]);
  silentMs = PATIENCE_MS;
  expect(await waited).toMatchObject({ code: "storage_failed", message: expect.stringContaining("has not answered") });
});

test("where it hangs already nothing is asked of it", async () => {
  let asked = 0;
  const hung = withPatience({ silentMs: () => PATIENCE_MS }, async () => {
    asked += 1;
  });
  expect(await hung.catch((error: unknown) => error)).toMatchObject({ code: "storage_failed" });
  expect(asked).toBe(0);
});

describe("on the real routes", () => {
  let on: CoordinatorStage;
  let headers: Record<string, string>;
  const hang = { silentMs: 0, busyMs: 0 };
  beforeAll(async () => {
    on = await coordinatorStage();
    const { people } = on.human;
    Object.assign(on.human, { refusalPage: refusalPage(on.dashboard) });
    Object.assign(people.db, { silentMs: () => hang.silentMs });
    Object.assign(people.db.writer, { busyMs: () => hang.busyMs });
    const hash = await people.passwords.hash("correct horse");
    const user = {
      email: "ada@example.org",
      name: "Ada",
      passwordHash: hash.ok ? hash.value : null,
      roles: ["client"],
    };
    await people.db.writer.transact((tx) => insertUser(tx, people, { ...user, roles: ["client"] }, LOCAL_CALLER));
    const signedIn = await fetch(`${on.server.url}/api/v1/auth/sign-in`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ email: user.email, password: "correct horse" }),
    });
    const { csrf_token: csrf } = (await signedIn.json()) as { csrf_token: string };
    const cookie = signedIn.headers.getSetCookie().map((one) => one.split(";")[0]);
    headers = { cookie: cookie.join("; "), "x-csrf-token": csrf };
  });
  afterAll(() => on[Symbol.asyncDispose]());
  const get = (path: string) => fetch(on.server.url + path, { headers });
  const makeKey = (more: Record<string, string> = {}) =>
    fetch(`${on.server.url}/keys`, {
      method: "POST",
      headers: { ...headers, ...more },
      body: new URLSearchParams({ name: "a key" }),
      redirect: "manual",
    });

  test("pages say so, ask again by themselves, and are there as soon as the database is", async () => {
    hang.silentMs = PATIENCE_MS;
    for (const path of ["/keys?state=all", "/", "/models", "/sign-in"]) {
      const page = await get(path);
      const text = await page.text();
      expect([path, page.status, page.headers.get("refresh"), page.headers.get("retry-after")]).toEqual([
        path,
        503,
        "5",
        "5",
      ]);
      expect(text).toContain("<h1>No answer from the database</h1>");
      expect(text).toContain(`href="${path}"`);
      expect(text).toContain("infernet doctor");
    }
    hang.silentMs = 0;
    const back = await get("/keys?state=all");
    expect([back.status, back.headers.get("refresh")]).toEqual([200, null]);
  });

  test("acts are refused before they begin: by the page's words, which the browser does not ask again, or by a toast", async () => {
    for (const stuck of [{ silentMs: PATIENCE_MS }, { busyMs: 60_000 }]) {
      Object.assign(hang, stuck);
      const plain = await makeKey();
      expect([plain.status, plain.headers.get("refresh")]).toEqual([503, null]);
      expect(await plain.text()).toContain("Go to the start");
      const quick = await makeKey({ "hx-request": "true" });
      expect([quick.status, await quick.text()]).toEqual([503, ""]);
      expect(quick.headers.get("hx-trigger")).toContain('"kind":"bad"');
      Object.assign(hang, { silentMs: 0, busyMs: 0 });
    }
    expect(await (await get("/keys")).text()).not.toContain("a key");
  });

  test("a disk that keeps what is written keeps nobody from looking", async () => {
    // Long enough for the session's last use to be written down.
    on.clock.advance(120_000);
    hang.busyMs = 60_000;
    const seenMs = async () => (await on.database.db.read.select().from(sessions))[0]?.lastSeenMs;
    const before = await seenMs();
    expect((await get("/keys")).status).toBe(200);
    expect(await seenMs()).toBe(before);
    hang.busyMs = 0;
    expect((await get("/keys")).status).toBe(200);
    expect(await seenMs()).toBe(on.clock.nowMs());
  });

  test("nor does one that is full", async () => {
    on.clock.advance(120_000);
    const { writer } = on.database.db;
    const { transact } = writer;
    const full = new StorageError("storage_full", "the disk is full");
    Object.assign(writer, { transact: () => Promise.reject(full) });
    expect((await get("/keys")).status).toBe(200);
    Object.assign(writer, { transact });
  });
});
