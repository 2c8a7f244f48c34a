// How jobs are routed by the engine: fallbacks, wishes that cannot be met, affinity, maintenance, and fair shares with all
// of it.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type TestDatabase, testDatabase } from "../db/test-database.ts";
import { demandsOf, NO_WISHES, type Wishes } from "../scheduler/wishes.ts";
import { affinityKeys } from "./affinity.ts";
import type { Job, JobSpec } from "./job.ts";
import { LIMITS, recorder, SimNode, type Stage, spec, stage } from "./testing/stage.ts";

let database: TestDatabase;
let on: Stage;
beforeAll(async () => {
  database = await testDatabase();
});
beforeEach(() => {
  on = stage(database);
});
afterAll(() => database[Symbol.asyncDispose]());

const wish = (over: Partial<Wishes>): Pick<JobSpec, "wishes"> => ({ wishes: { ...NO_WISHES, ...over } });
const refused = (over: Partial<JobSpec>) => {
  const submitted = on.jobs.submit(spec(over), recorder());
  return submitted.ok ? undefined : submitted.error;
};
function chat(over: Partial<JobSpec> = {}, output = recorder()): Job {
  const submitted = on.jobs.submit(spec(over), output);
  if (!submitted.ok) throw new Error(submitted.error.message);
  return submitted.value;
}
const nodeOf = (job: Job) => Number(job.attempts.at(-1)?.node.slice(-2));
const session = (name: string) => ({ affinity: affinityKeys("local", name, []) });

describe("models", () => {
  test("the first that somebody serves is taken, and those after it are left to fall back to", () => {
    new SimNode(on, 1, { models: ["b", "c"] }).join();
    const job = chat({ model: "a", fallbacks: ["b", "a", "c"] });
    expect(job).toMatchObject({ model: "b", rest: ["c"], state: "dispatched" });
    expect(job.attempts[0]).toMatchObject({ model: "b" });
  });

  test("a model whose nodes are all away, too small or paused is passed over for one that can serve now", () => {
    new SimNode(on, 1, { models: ["away"] }).join().lose();
    new SimNode(on, 2, { models: ["small"], contextLength: 10 }).join();
    new SimNode(on, 3, { models: ["paused"] }).join().heartbeat("paused");
    new SimNode(on, 4, { models: ["good"] }).join();
    const fallbacks = ["small", "paused", "good"];
    expect(chat({ model: "away", fallbacks, minContext: 11, wantContext: 11 }).model).toBe("good");
    // Where none can now, the first that is worth waiting for.
    expect(chat({ model: "paused", fallbacks: ["away"] })).toMatchObject({ model: "paused", state: "queued" });
  });

  test("after all attempts of one the next has as many, with nothing of the first in the answer", () => {
    const bad = new SimNode(on, 1, { models: ["a"] }).join();
    const good = new SimNode(on, 2, { models: ["b"] }).join();
    const output = recorder(true);
    const job = chat({ model: "a", fallbacks: ["b"], stream: false }, output);
    for (let i = 0; i < LIMITS.maxAttempts; i++) {
      bad.fail(bad.last, "backend_failed");
      on.clock.advance(2_000);
    }
    expect(job).toMatchObject({ model: "b", state: "dispatched", before: LIMITS.maxAttempts });
    good.stream(good.last, 2);
    good.end(good.last);
    expect([job.state, output.text, job.attempts.map(({ model }) => model).join("")]).toEqual([
      "completed",
      "0;1;",
      "aaab",
    ]);
  });

  test("not where fallbacks are not wanted, or the request itself is wrong", () => {
    const node = new SimNode(on, 1, { models: ["a"] }).join();
    new SimNode(on, 2, { models: ["b"] }).join();
    const wrong = chat({ model: "a", fallbacks: ["b"] });
    node.fail(node.last, "invalid_request");
    expect(wrong).toMatchObject({ state: "failed", model: "a" });
    const strict = chat({ model: "a", fallbacks: ["b"], ...wish({ allowFallbacks: false }) });
    for (let i = 0; i < LIMITS.maxAttempts; i++) {
      node.fail(node.last, "backend_failed");
      on.clock.advance(2_000);
    }
    expect(strict).toMatchObject({ state: "failed", model: "a" });
  });

  test("a prompt that turned out too long for all nodes of one goes on with the next", () => {
    const small = new SimNode(on, 1, { models: ["a"], contextLength: 100 }).join();
    const large = new SimNode(on, 2, { models: ["b"], contextLength: 1_000 }).join();
    const job = chat({ model: "a", fallbacks: ["b"] });
    small.fail(small.last, "context_length_exceeded");
    expect([job.model, large.attempts.size]).toEqual(["b", 1]);
  });

  test("a job that waits when the last node of its model goes falls back after the grace", () => {
    const node = new SimNode(on, 1, { models: ["a"], slots: 1 }).join();
    const other = new SimNode(on, 2, { models: ["b"] }).join();
    chat({ model: "a" });
    const waits = chat({ model: "a", fallbacks: ["b"] });
    expect(waits.state).toBe("queued");
    node.lose();
    on.clock.advance(LIMITS.resumeGraceMs + 1_000);
    expect([waits.model, waits.state, other.attempts.size]).toEqual(["b", "dispatched", 1]);
  });
});

describe("wishes that nobody meets", () => {
  test("a private node's model is unknown to others, there or away", () => {
    const hidden = new SimNode(on, 2, { models: ["secret"] }).join();
    on.registry.place(hidden.pubkey, { pool: "acme", maintenance: false, account: "local" });
    const codes = () => [{}, wish({ pools: ["acme"] })].map((over) => refused({ model: "secret", ...over })?.code);
    expect(codes()).toEqual(["model_not_found", undefined]);
    hidden.lose();
    // Within the grace its own wait for it.
    expect(codes()).toEqual(["model_not_found", undefined]);
    on.clock.advance(LIMITS.resumeGraceMs + 1_000);
    expect(codes()).toEqual(["model_not_found", "no_nodes_online"]);
  });

  test("tell nothing of others' private nodes that are away", () => {
    new SimNode(on, 1).join();
    const hidden = new SimNode(on, 2).join();
    on.registry.place(hidden.pubkey, { pool: "acme", maintenance: false, account: "local" });
    hidden.lose();
    const only = { only: ["node 02"] };
    expect(refused(wish(only))?.code).toBe("no_matching_node");
    expect(refused(wish({ ...only, pools: ["acme"] }))?.code).toBe("no_nodes_online");
  });

  test("are named, and a node that is only away is told from one that there is not", () => {
    const one = new SimNode(on, 1).join();
    new SimNode(on, 2).join();
    expect(refused(wish({ only: ["node 07"] }))).toMatchObject({ code: "no_matching_node", param: "provider.only" });
    expect(refused(wish({ only: ["node 01"], maxPriceInput: 0 }))).toBeUndefined();
    expect(refused(wish({ only: ["node 01"], ignore: ["node 01"] }))).toMatchObject({ param: "provider.ignore" });
    one.lose();
    expect(refused(wish({ only: ["node 01"] }))).toMatchObject({
      code: "no_nodes_online",
      param: "provider.only",
      message: expect.stringContaining("node 01 is offline"),
    });
  });

  test("after the job was queued end it after the grace, though others serve the model", () => {
    const node = new SimNode(on, 1, { slots: 1 }).join();
    new SimNode(on, 2, { slots: 1 }).join();
    chat(wish({ only: ["node 01"] }));
    const waits = chat(wish({ only: ["node 01"] }));
    node.lose();
    on.clock.advance(LIMITS.resumeGraceMs - 1_000);
    expect(waits.state).toBe("queued");
    on.clock.advance(2_000);
    expect(waits).toMatchObject({ state: "failed", error: { code: "no_nodes_online", param: "provider.only" } });
  });

  test("hold for retries too: a wish is no first choice", () => {
    const one = new SimNode(on, 1).join();
    const two = new SimNode(on, 2).join();
    const job = chat(wish({ only: ["node 01"] }));
    one.fail(one.last, "backend_failed");
    on.clock.advance(2_000);
    expect([two.attempts.size, job.attempts.map(({ node }) => node)]).toEqual([0, [one.pubkey, one.pubkey]]);
  });
});

describe("pools and maintenance", () => {
  const place = (node: SimNode, pool: string, maintenance = false) => {
    const placed = on.registry.place(node.pubkey, { pool, maintenance, account: "local" });
    if (placed) on.jobs.listener.capacity(placed);
  };

  test("what only private nodes serve is not there for others, not even by name", () => {
    place(new SimNode(on, 1, { models: ["secret"] }).join(), "acme");
    new SimNode(on, 2, { models: ["open"] }).join();
    const error = refused({ model: "secret" });
    expect(error).toMatchObject({ code: "model_not_found" });
    expect(error?.message).not.toContain("there are: open, secret");
    expect(nodeOf(chat({ model: "secret", ...wish({ pools: ["acme"] }) }))).toBe(1);
  });

  test("a job that waits starts at once when a node is given to its pool, or maintenance ends", () => {
    const node = new SimNode(on, 1, { slots: 1 }).join();
    place(node, "", true);
    const waits = spec({ kind: "async" });
    expect(refused({})).toMatchObject({ code: "no_nodes_online" });
    const job = on.jobs.submit(waits, recorder());
    expect(job.ok && job.value.state).toBe("queued");
    place(node, "", false);
    expect(job.ok && job.value.state).toBe("dispatched");
  });

  test("a node under maintenance ends what it has", () => {
    const node = new SimNode(on, 1).join();
    const job = chat();
    place(node, "", true);
    node.stream(node.last, 1);
    node.end(node.last);
    expect(job.state).toBe("completed");
  });
});

describe("affinity", () => {
  test("a session returns to its node for as long as that is not loaded, and moves with the work", () => {
    const nodes = [1, 2, 3].map((i) => new SimNode(on, i, { slots: 8 }).join());
    const home = nodeOf(chat(session("s")));
    expect(nodeOf(chat(session("s")))).toBe(home);
    const away = chat(session("s"));
    expect(nodeOf(away)).not.toBe(home);
    expect(away.attempts[0]?.why.affinity).toBe("passed_over");
    expect(nodes.reduce((sum, { attempts }) => sum + attempts.size, 0)).toBe(3);
  });

  test("when all are busy, the slot that comes free goes to a job that its node knows, until the first has waited long", () => {
    const nodes = [1, 2].map((i) => new SimNode(on, i, { slots: 1 }).join());
    const [at, other] = [chat(session("a")), chat(session("b"))];
    const [first, second] = [chat(session("b")), chat(session("a"))];
    const nodeWith = (job: Job) => nodes[nodeOf(job) - 1] as SimNode;
    const ends = (job: Job) => nodeWith(job).end(nodeWith(job).last);
    ends(at);
    expect([first.state, second.state, second.attempts[0]?.why.affinity]).toEqual(["queued", "dispatched", "session"]);
    const again = chat(session("a"));
    on.clock.advance(3_000);
    for (const node of nodes) node.accept(node.last);
    on.clock.advance(3_000);
    ends(second);
    expect([first.state, again.state]).toEqual(["dispatched", "queued"]);
    ends(other);
    expect(again.state).toBe("dispatched");
  });

  test("what a node served before it ceased to offer the model is forgotten, and a short absence is not", () => {
    const nodes = [1, 2, 3, 4, 5, 6].map((i) => new SimNode(on, i, { slots: 8 }).join());
    const first = chat(session("s"));
    const home = nodes[nodeOf(first) - 1] as SimNode;
    home.end(home.last);
    on.clock.advance(1_000);
    home.lose();
    home.join();
    // It is suspect for a moment.
    on.clock.advance(3_000);
    expect(chat(session("s")).attempts[0]?.why.affinity).toBe("session");
    const serves = (models: string[]) => ({
      backends: [{ kind: "openai" as const, continues: false, healthy: true }],
      models: models.map((name) => ({ ...OFFER, name })),
      slots: 8,
      prices: { input: 0, output: 0 },
    });
    const beat = { type: "heartbeat" as const, status: "available" as const, running: 0 };
    for (const node of nodes) if (node.node) on.registry.heartbeat(node.node, { ...beat, serves: serves(["x"]) });
    on.clock.advance(1_000);
    for (const node of nodes) if (node.node) on.registry.heartbeat(node.node, { ...beat, serves: serves(["m"]) });
    expect(chat(session("s")).attempts[0]?.why.affinity).toBeUndefined();
  });
});
const OFFER = { context_length: null, digest: null, loaded: null, quantization: null, demo: false, backend: 0 };

describe("fairness", () => {
  test("property: with pools and affinity, accounts that wait for the same nodes have equal shares within 5 %, and none starves", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 5 }),
        fc.array(fc.integer({ min: 200, max: 4_000 }), { minLength: 5, maxLength: 5 }),
        fc.nat(3),
        (accounts, costs, sticky) => {
          const fair = stage(database, {
            limits: { queueLimit: 1_000, queueTimeoutMs: 1e12, firstTokenTimeoutMs: 1e12 },
          });
          const nodes = [1, 2, 3].map((i) => new SimNode(fair, i, { slots: 2 }).join());
          const own = nodes[2] as SimNode;
          fair.registry.place(own.pubkey, { pool: "acme", maintenance: false, account: "local" });
          const served = new Map<string, number>();
          const submit = (account: number) => {
            const fairKey = `account ${account}`;
            const submitted = fair.jobs.submit(
              spec({
                fairKey,
                cost: costs[account] ?? 1_000,
                // One account has a pool of its own beside; some hold on to one session, so always want the same node.
                ...wish({ pools: account === 0 ? ["acme"] : [] }),
                ...(account <= sticky ? { affinity: affinityKeys(fairKey, "one", []) } : {}),
              }),
              recorder(),
            );
            if (!submitted.ok) throw new Error(submitted.error.message);
          };
          for (let account = 0; account < accounts; account++) for (let n = 0; n < 12; n++) submit(account);
          // Long enough that one account's turn more or less is little.
          let common = 0;
          for (let round = 0; common < 400_000 * (accounts - 1); round++) {
            const node = nodes[round % nodes.length] as SimNode;
            const [attempt] = node.attempts.values();
            if (!attempt) continue;
            const job = fair.jobs.live.get(attempt.id.slice(0, 36) as never);
            if (!job) throw new Error("a node has a job that nobody knows");
            node.end(attempt);
            served.set(job.fairKey, (served.get(job.fairKey) ?? 0) + job.cost);
            if (job.fairKey !== "account 0") common += job.cost;
            submit(Number(job.fairKey.slice(-1)));
          }
          // Fair by all that each has: whose own node is more than its share leaves what is common to the others, who
          // have equal parts of it.
          const shareOf = (account: number) => served.get(`account ${account}`) ?? 0;
          const others = Array.from({ length: accounts - 1 }, (_, i) => shareOf(i + 1));
          const fairShare = others.reduce((sum, share) => sum + share, 0) / others.length;
          for (const share of others) expect(Math.abs(share / fairShare - 1)).toBeLessThan(0.05);
          expect(shareOf(0) / fairShare).toBeGreaterThan(0.95);
        },
      ),
      { numRuns: 8 },
    );
  });
});

test("demands are made once for a job", () => {
  new SimNode(on, 1).join();
  const only = wish({ only: ["node 01"] });
  expect(chat(only).demands.map(({ field }) => field)).toEqual(demandsOf(only.wishes).map(({ field }) => field));
});
