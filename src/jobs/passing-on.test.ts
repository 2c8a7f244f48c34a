// Passing on: requests that come from another coordinator, and those that go to one.
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
import type { Trail } from "../protocol/trail.ts";
import type { Job } from "./job.ts";
import { recorder, SimNode, type Stage, spec, stage } from "./testing/stage.ts";

const [B, C] = ["b".repeat(16), "c".repeat(16)] as const;
const FROM_C: Trail = { hops: 1, via: [C] };

let database: TestDatabase;
let on: Stage;
beforeAll(async () => {
  database = await testDatabase();
});
beforeEach(() => {
  on = stage(database, { limits: { maxAttempts: 3 } });
});
afterAll(() => database[Symbol.asyncDispose]());

const own = (index: number) => new SimNode(on, index, { slots: 1 }).join();
const peer = (index: number, ...path: string[]) => new SimNode(on, index, { path, slots: 8 }).join();
function submit(trail?: Trail): Job {
  const submitted = on.jobs.submit(spec(trail ? { trail } : {}), recorder(true));
  if (!submitted.ok) throw new Error(submitted.error.message);
  return submitted.value;
}
const dispatched = (node: SimNode) => node.heard.filter(({ type }) => type === "dispatch");

test("what goes to another coordinator says where it came from; what stays here, or is our own, does not", () => {
  const there = peer(1, B);
  submit(FROM_C);
  submit();
  expect(dispatched(there)).toMatchObject([FROM_C, {}]);
  expect(dispatched(there)[1]).not.toHaveProperty("via");
  there.lose();
  const here = own(2);
  submit(FROM_C);
  expect(dispatched(here)[0]).not.toHaveProperty("hops");
});

test("what came from another coordinator is passed on once, and tried again only here", () => {
  const [first, second] = [peer(1, B), peer(2, B)];
  const job = submit(FROM_C);
  const [asked] = [first, second].filter((node) => node.attempts.size > 0);
  asked?.fail(asked.last, "backend_failed");
  expect(job.state).toBe("failed");
  expect(dispatched(first).length + dispatched(second).length).toBe(1);
  expect(job.attempts).toMatchObject([{ through: [B], outcome: "failed" }]);

  const again = submit(FROM_C);
  const here = own(3);
  const passedOn = [first, second].find((node) => node.attempts.size > 0);
  passedOn?.fail(passedOn.last, "backend_failed");
  expect(again.attempts.map(({ node }) => node)).toEqual([passedOn?.pubkey, here.pubkey] as never);
});

test("our own is tried at several peers", () => {
  const nodes = [peer(1, B), peer(2, C), peer(3, B)];
  const job = submit();
  for (let i = 0; i < 3; i++) {
    const asked = nodes.find((node) => node.attempts.size > 0);
    asked?.fail(asked.last, "backend_failed");
  }
  expect(job.state).toBe("failed");
  expect(new Set(job.attempts.map(({ node }) => node)).size).toBe(3);
});

test("nothing is passed on to where it came from: such a model is not here for it", () => {
  peer(1, B, C);
  const refused = on.jobs.submit(spec({ trail: FROM_C }), recorder());
  expect(refused).toMatchObject({ ok: false, error: { code: "model_not_found" } });
  expect(on.jobs.submit(spec(), recorder()).ok).toBe(true);
});

test("one that waits for a way that is gone fails, and does not wait for the queue's limit", () => {
  const here = own(1);
  submit();
  const waiting = submit(FROM_C);
  expect(waiting.state).toBe("queued");
  peer(2, B, C);
  here.crash();
  on.clock.advance(1_000);
  expect(waiting.state).toBe("failed");
  expect(waiting.error?.code).toBe("no_nodes_online");
});
