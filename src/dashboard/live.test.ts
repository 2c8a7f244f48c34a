// Streams of updates: who may look on, and until when.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createSetupLink } from "../accounts/first-admin.ts";
import { findSession } from "../accounts/sessions.ts";
import { type CoordinatorStage, coordinatorStage } from "../http/testing/coordinator-stage.ts";
import { NO_LOG } from "../jobs/testing/stage.ts";
import { type ManualClock, manualClock } from "../lib/clock.ts";
import { createLive, type Reader } from "./live.ts";
import { readerOf } from "./reader.ts";

const reader = (who: string, more: Partial<Reader> = {}): Reader => ({
  ...{ who, most: 2_000, stranger: false, session: who, stays: () => true },
  ...more,
});
/** As long as it may take until readers are asked about. */
async function pass({ advance }: ManualClock): Promise<void> {
  for (const ms of [9_000, 1_000]) {
    advance(ms);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

function open() {
  const clock = manualClock();
  const live = createLive({ clock, log: NO_LOG });
  let n = 0;
  const source = { key: "figures", everyMs: 1_000, render: () => [{ data: `${n++}` }] };
  return { clock, live, look: (who: Reader) => live.open(who, source).status };
}

describe("streams are bounded", () => {
  test("for everybody by their own", () => {
    const { live, look } = open();
    const [one, other] = [reader("one", { most: 2 }), reader("other", { most: 2 })];
    expect([look(one), look(one), look(one), look(other)]).toEqual([200, 200, 429, 200]);
    live.close();
  });

  test("so that strangers, however many, keep nobody out who is signed in", () => {
    const { live, look } = open();
    let last = 200;
    for (let i = 0; last === 200; i++) last = look(reader(`network/${i}`, { stranger: true }));
    expect([last, live.viewers(), look(reader("user/1"))]).toEqual([429, 1_000, 200]);
    live.close();
  });

  test("and make room when they end", async () => {
    const { live, look } = open();
    const one = reader("one", { most: 1 });
    const { body } = live.open(one, { key: "x", everyMs: 1_000, render: () => [] });
    expect(look(one)).toBe(429);
    await body?.cancel();
    expect([live.viewers(), look(one)]).toEqual([0, 200]);
    live.close();
  });
});

test("a stream ends within seconds where its reader may not look any more, and goes on for others", async () => {
  const { clock, live, look } = open();
  let may = true;
  let asked = 0;
  const stays = () => {
    asked++;
    return may;
  };
  for (let i = 0; i < 3; i++) look(reader("one", { stays }));
  look(reader("other"));
  await pass(clock);
  expect([live.viewers(), asked]).toEqual([4, 1]);
  may = false;
  await pass(clock);
  expect([live.viewers(), asked]).toEqual([1, 2]);
  live.close();
});

describe("a reader", () => {
  let on: CoordinatorStage;
  const PASSWORD = "correct horse battery";
  beforeAll(async () => {
    on = await coordinatorStage();
  });
  afterAll(() => on[Symbol.asyncDispose]());
  const send = async (path: string, body: object, headers: Record<string, string> = {}) => {
    const method = "POST";
    const answer = await fetch(on.server.url + path, {
      ...{ method, headers: { "content-type": "application/json", ...headers } },
      body: JSON.stringify(body),
    });
    const token = /infernet-session=([^;]+)/.exec(answer.headers.getSetCookie().join())?.[1] ?? "";
    return { token, json: (await answer.json()) as { csrf_token: string; id: string } };
  };
  const readsAs = async (token: string): Promise<Reader> => {
    const found = await findSession(on.human.people, token);
    if (!found) throw new Error("nobody is signed in");
    return readerOf(on.dashboard, { human: { ...found, csrf: "" }, token, address: "1.1.1.1" });
  };

  test("stays as long as they act for the same account, with the same rights, and are signed in", async () => {
    const setup = await createSetupLink(on.human.people);
    if (!setup.ok) throw new Error(setup.error);
    const secret = setup.value.link.slice(setup.value.link.indexOf("#") + 1);
    const ada = { name: "Ada", email: "ada@example.org", password: PASSWORD };
    const { token, json } = await send("/api/v1/auth/setup", { ...ada, secret });
    const proof = { cookie: `infernet-session=${token}`, "x-csrf-token": json.csrf_token };
    const first = await readsAs(token);
    expect(await first.stays()).toBe(true);
    await send("/api/v1/account/name", { name: "Ada L." }, proof);
    expect(await first.stays()).toBe(true);
    const made = await send("/api/v1/organisations", { name: "Acme" }, proof);
    await send("/api/v1/account/switch", { account: made.json.id }, proof);
    expect(await first.stays()).toBe(false);
    const second = await readsAs(token);
    expect(await second.stays()).toBe(true);
    const by = { actor: "local", from: "" } as const;
    await on.human.admin.createUser({ email: "bo@example.org", roles: ["admin"] }, by);
    await on.human.admin.setUserRoles({ user: second.who.slice("user/".length), roles: ["client"] }, by);
    expect(await second.stays()).toBe(false);
  });

  test("who is nobody known is counted by their network, and stays as long as strangers may look", () => {
    let isPublic = true;
    const deps = { ...on.dashboard, isPublic: () => isPublic };
    const from = (address: string) => readerOf(deps, { human: null, token: null, address });
    expect(from("2001:db8::1").who).toBe(from("2001:db8::2").who);
    // Behind a proxy there may be many.
    expect(from("1.1.1.1").most).toBeLessThan(from("127.0.0.1").most);
    const stranger = from("1.1.1.1");
    expect([stranger.stranger, stranger.stays()]).toEqual([true, true]);
    isPublic = false;
    expect(stranger.stays()).toBe(false);
  });
});
