// The page of the version, on the real routes: what it shows, what it asks, and where what is newer is named.
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { UpdateState } from "../admin/update-operations.ts";
import { updateAdmin } from "../admin/updates.ts";
import { type CoordinatorStage, coordinatorStage } from "../http/testing/coordinator-stage.ts";
import { err, ok } from "../lib/result.ts";
import { isBehind } from "./nodes/shown.ts";
import { type SignedIn, signedIn } from "./testing/signed-in.ts";

const FOUND = { version: "2.0.0", date: "2026-01-02T03:04:05Z", checked_ms: 1, order: "newer", fits: true } as const;
const QUIET: UpdateState = {
  ...{ version: "1.0.0", target: "linux-x64", feed: "https://feed.example/", daily: false, found: null },
};

let on: CoordinatorStage;
let admin: SignedIn;
let state = QUIET;
let refusal: { message: string; hint?: string } | null = null;
let looks = 0;

beforeAll(async () => {
  on = await coordinatorStage();
  admin = await signedIn(on, { roles: ["admin"] });
  const check = async () => {
    looks += 1;
    if (refusal !== null) return err(refusal);
    state = { ...QUIET, found: FOUND };
    return ok(state);
  };
  Object.assign(on.dashboard.admin, updateAdmin({ state: () => state, check }));
});
afterAll(() => on[Symbol.asyncDispose]());

const HTMX = { "hx-request": "true", "hx-request-type": "partial" };
const page = async (path: string) => (await admin.get(path)).text();

test("it says what runs, and asks the feed when the button is pressed, not before", async () => {
  const before = await page("/admin/version");
  expect(before).toContain("infernet 1.0.0 (linux-x64)");
  expect(before).toContain("not looked for yet");
  expect(before).toContain("never by itself");
  expect(await page("/admin")).not.toContain("is there");
  expect(looks).toBe(0);
  const looked = await admin.post("/admin/version/check", {}, { headers: HTMX });
  const card = await looked.text();
  expect([looked.status, looks, card.startsWith('<section class="card" id="version-card"')]).toEqual([200, 1, true]);
  expect(card).toContain("infernet 2.0.0");
  expect(card).toContain("infernet update\ninfernet restart");
});

test("the overview names what is newer, and leads there, until it runs", async () => {
  state = { ...QUIET, found: FOUND };
  on.clock.advance(2_000);
  const overview = await page("/admin");
  expect(overview).toContain("infernet 2.0.0 is there");
  expect(overview).toContain('href="/admin/version"');
  for (const found of [
    { ...FOUND, order: "same" as const },
    { ...FOUND, fits: false },
  ]) {
    state = { ...QUIET, found };
    on.clock.advance(2_000);
    expect(await page("/admin")).not.toContain("is there");
  }
});

test("a look that fails says why beside its button, and what was known stays; so without script", async () => {
  state = { ...QUIET, found: FOUND };
  refusal = { message: "the feed is not signed", hint: "look at <it>" };
  for (const headers of [HTMX, {}]) {
    const failed = await admin.post("/admin/version/check", {}, { headers });
    const text = await failed.text();
    expect(failed.status).toBe(422);
    expect(text).toContain("The feed is not signed. Look at &lt;it&gt;.");
    expect(text).toContain('aria-describedby="version-why"');
    expect(text).toContain("infernet 2.0.0");
  }
  refusal = null;
  const done = await admin.post("/admin/version/check", {});
  expect([done.status, done.headers.get("location")]).toEqual([303, "/admin/version"]);
});

test("without a feed there is no button, and a word on how to name one", async () => {
  state = { ...QUIET, feed: null };
  const text = await page("/admin/version");
  expect(text).not.toContain("Check for updates");
  expect(text).toContain("[update] feed");
});

test("a node that runs an older version than here is told apart from the others", async () => {
  expect(isBehind("0.9.9", "1.0.0")).toBe(true);
  for (const version of ["1.0.0", "1.0.0+abc", "1.0.1", "test", "", null])
    expect(isBehind(version, "1.0.0")).toBe(false);
  expect(isBehind("0.9.9", "test")).toBe(false);
});
