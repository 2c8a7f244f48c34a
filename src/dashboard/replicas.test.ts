// Several coordinators on one database: what the pages of one tell of the others and of their nodes.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { LOCAL_ACCOUNT_ID } from "../accounts/schema.ts";
import { StorageError } from "../db/errors.ts";
import { type CoordinatorStage, coordinatorStage } from "../http/testing/coordinator-stage.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import type { LinkShown } from "../registry/node.ts";
import { allowNode } from "../registry/nodes.ts";
import type { Replica } from "../registry/presence.ts";
import type { Figures } from "../stats/now.ts";
import { type SignedIn, signedIn } from "./testing/signed-in.ts";

const NODE = "ab".repeat(32) as Pubkey;
const HOSTILE = `"><script>alert(1)</script>\u202e`;
const SHOWN: LinkShown = {
  ...{ name: `dune ${HOSTILE}`, region: "", claimedRegion: "", device: null, version: "1", slots: 4 },
  ...{ status: "available", statusReason: null, models: 1, modelNames: ["m-elsewhere"] },
  prices: { input: 1, inputMax: 1, output: 2, outputMax: 2 },
};
const FIGURES: Figures = {
  ...{ outputPerS: 10, promptPerS: 1, running: 7, slots: 9, queued: 0, oldestQueuedMs: null, models: [] },
  nodes: { online: 5, serving: 1, idle: 1, suspect: 0, paused: 3 },
};

let on: CoordinatorStage;
let admin: SignedIn;
const others: Replica<Figures>[] = [];
beforeAll(async () => {
  on = await coordinatorStage({ dashboard: { presence: { others: () => others } } });
  admin = await signedIn(on, { roles: ["admin"] });
  await allowNode({ db: on.dashboard.db, clock: on.clock }, NODE, { name: "dune" });
  on.registry.linkedElsewhere(NODE, { replica: "b", sinceMs: on.clock.nowMs(), shown: SHOWN });
});
afterAll(() => on[Symbol.asyncDispose]());

const text = async (path: string) => (await admin.get(path)).text();

test("a node that another coordinator has is online on every page, with what is not known left out", async () => {
  expect(on.registry.nodes.get(NODE)?.account).toBe(LOCAL_ACCOUNT_ID);
  const node = await text(`/nodes/${NODE}`);
  expect(node).toContain("Linked to another coordinator of this network");
  expect(node).toContain("m-elsewhere");
  expect(node).not.toContain("No sign of it");
  for (const path of ["/admin/nodes?state=online", "/nodes?state=online"]) {
    const page = await text(path);
    expect([path, page.includes("dune"), page.includes("m-elsewhere")]).toEqual([path, true, true]);
  }
  expect(await text("/admin/nodes?state=offline")).not.toContain("m-elsewhere");
  for (const path of [`/nodes/${NODE}`, "/nodes", "/admin/nodes", "/admin"]) {
    expect([path, (await text(path)).includes("<script>alert")]).toEqual([path, false]);
  }
});

test("the overview lists coordinators where there are several, and says which of them is silent", async () => {
  expect(await text("/admin")).not.toContain("Table of coordinators");
  const heardMs = on.clock.nowMs();
  const one = { version: "1.2.3", startedMs: heardMs, heardMs, linked: 6, figures: FIGURES };
  others.push({ id: "b0".repeat(8), isSilent: false, ...one }, { id: "c0".repeat(8), isSilent: true, ...one });
  on.clock.advance(5_000);
  const page = await text("/admin");
  expect(page).toContain("Table of coordinators");
  // What is linked there, of which its figures leave out what counts elsewhere.
  expect(page).toMatch(/data-label="nodes">6</);
  expect(page).toContain("Coordinator c0c0c0c0 says nothing any more");
  expect(page).not.toContain("Coordinator b0b0b0b0 says");
});

test("where nobody can write, the storage is told and not that others are silent", async () => {
  const { writer } = on.dashboard.db;
  await writer.transact(async (_, execute) => execute("create table filler (text)", []));
  await writer.exclusive((connection) => connection.script("PRAGMA max_page_count = 1"));
  while (writer.trouble() === null) {
    const row = ["insert into filler values (hex(zeroblob(?)))", [[2_000]]] as const;
    await writer.batch(...row).catch((error: unknown) => expect(error).toBeInstanceOf(StorageError));
  }
  on.clock.advance(5_000);
  const page = await text("/admin");
  expect(page).toContain("The disk is full");
  expect(page).not.toContain("says nothing any more");
});
