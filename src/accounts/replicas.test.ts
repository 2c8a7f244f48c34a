// People on two coordinators that share a real libSQL server: what one decides holds at the other at once.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { migrateDatabase } from "../db/migrate.ts";
import { type Db, openDatabase } from "../db/open.ts";
import { sqldPath, type TestServer, testServer } from "../db/test-server.ts";
import { manualClock } from "../lib/clock.ts";
import { LOCAL_CALLER } from "./caller.ts";
import { createSetupLink, setUp } from "./first-admin.ts";
import type { People } from "./people.ts";
import { findSession } from "./sessions.ts";
import { signIn } from "./sign-in.ts";
import { testPeople } from "./testing/people.ts";
import { listUsers, setUserDisabled } from "./users.ts";

const HERE = { address: "198.51.100.4", userAgent: "" };
const PASSWORD = "correct horse";

describe.skipIf(sqldPath === null)("on two coordinators", () => {
  let server: TestServer;
  let dbs: Db[];
  let one: People;
  let two: People;
  beforeAll(async () => {
    const clock = manualClock();
    server = await testServer(sqldPath ?? "");
    dbs = await Promise.all([1, 2].map(() => openDatabase({ url: server.url })));
    const [a, b] = dbs;
    if (!a || !b) throw new Error("no database");
    await migrateDatabase({ db: a, clock });
    one = testPeople({ db: a, clock });
    two = testPeople({ db: b, clock });
  });
  afterAll(async () => {
    await Promise.all(dbs.map((db) => db.close()));
    await server[Symbol.asyncDispose]();
  });

  test("one set-up link makes one admin, wherever it is posted", async () => {
    const made = await createSetupLink(one);
    const secret = made.ok ? (made.value.link.split("#")[1] ?? "") : "";
    const post = (people: People, n: number) =>
      setUp(people, { secret, email: `admin${n}@example.org`, name: "A", password: PASSWORD }, HERE);
    const all = await Promise.all([post(one, 0), post(two, 1), post(one, 2), post(two, 3)]);
    expect(all.filter(({ ok }) => ok).length).toBe(1);
    expect((await listUsers(two)).length).toBe(1);
  });

  test("a session opened at one is one at the other, and ended at one is over at both", async () => {
    const [admin] = await listUsers(one);
    const email = `${admin?.email}`;
    const entered = await signIn(one, { email, password: PASSWORD }, HERE);
    const token = entered.ok ? entered.value.token : "";
    expect((await findSession(two, token))?.user.email).toBe(email);
    const again = await signIn(two, { email, password: PASSWORD }, HERE, token);
    expect(again.ok).toBe(true);
    expect(await findSession(one, token)).toBeUndefined();
  });

  test("wrong passwords are counted together", async () => {
    const tries = Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? one : two));
    const codes: string[] = [];
    for (const people of tries) {
      const entered = await signIn(people, { email: "nobody@example.org", password: "wrong password" }, HERE);
      codes.push(entered.ok ? "ok" : entered.error.code);
    }
    expect(codes.filter((code) => code === "wrong_credentials").length).toBe(10);
  });

  test("the last admin is the last on both", async () => {
    const [admin] = await listUsers(one);
    const out = await Promise.all(
      [one, two].map((people) => setUserDisabled(people, `${admin?.id}`, true, LOCAL_CALLER)),
    );
    expect(out.map(({ ok }) => ok)).toEqual([false, false]);
  });
});
