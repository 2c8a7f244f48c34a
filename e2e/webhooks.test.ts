// Webhooks: a receiver is told of a job's end, signed, until it has it; whatever dies in between; and nothing inside is
// reached by them.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { hostname } from "node:os";
import { Webhook } from "standardwebhooks";
import { type Client, client, type JobView, refusalOf } from "./harness/client.ts";
import type { FaultBackend } from "./harness/fault-backend.ts";
import { commandJson, type Instance } from "./harness/instance.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const model = "scripted-model";
/** Three tries take half a minute. */

type Delivery = { headers: Record<string, string>; body: string; atMs: number };
type Receiver = { url: string; deliveries: Delivery[]; of(job: string): Delivery[] };
/** Gives the answer to the nth delivery of a job, from 1. */
type Script = (n: number) => Response | Promise<Response>;

let stage: Stage;
let coordinator: Instance;
let backend: FaultBackend;
let api: Client;
let secret: string;
let script: Script = () => new Response();

function receiver(): Receiver {
  const deliveries: Delivery[] = [];
  const of = (job: string) => deliveries.filter(({ headers }) => headers["webhook-id"] === job);
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    async fetch(request) {
      const headers = Object.fromEntries(request.headers);
      deliveries.push({ headers, body: await request.text(), atMs: performance.now() });
      return script(of(headers["webhook-id"] ?? "").length);
    },
  });
  stage.onClose(() => void server.stop(true));
  return { url: `http://127.0.0.1:${server.port}/hook`, deliveries, of };
}

beforeAll(async () => {
  stage = await openStage();
  const started = await stage.coordinator("[webhooks]\nallow_private = true\n");
  coordinator = started.coordinator;
  api = client(() => coordinator.url, started.key, model);
  backend = stage.backend({ model });
  await stage.node(coordinator, [backend.url]);
  await stage.served(coordinator, model);
  ({ secret } = await commandJson<{ secret: string }>(stage.executable, coordinator.dataDirectory, [
    "webhooks",
    "secret",
  ]));
});
afterAll(() => stage.close());

type HookedJob = JobView & { webhook: { url: string; status: string; tries: number; error: string | null } };
const job = async (id: string) => (await api.job(id)) as HookedJob;
/** What a delivery says, once the specification's library has taken its signature. */
const verified = ({ body, headers }: Delivery) => new Webhook(secret).verify(body, headers) as JobView;

describe("a receiver", () => {
  test("is told of a completed job, with its answer, as its owner sees it", async () => {
    const { url, of } = receiver();
    const id = await api.submitted({ webhook: url });
    const delivery = await waitFor("the delivery", () => of(id)[0]);
    expect(verified(delivery).status).toBe("completed");
    const shown = await waitFor("the job to say so", async () => {
      const view = await job(id);
      return view.webhook.status === "delivered" && view;
    });
    const { webhook: _, ...rest } = shown;
    expect(verified(delivery)).toEqual(rest);
    expect(delivery.headers).toMatchObject({
      "content-type": "application/json",
      "user-agent": expect.stringMatching(/^infernet\//),
    });
    const { secret: overHttp } = (await (await api.get("/api/v1/webhooks/secret")).json()) as { secret: string };
    expect([overHttp, secret]).toEqual([secret, expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/)]);
  });

  test("that fails twice is tried again and has it, under the same id", async () => {
    const { url, of } = receiver();
    script = (n) => new Response(null, { status: n < 3 ? 500 : 204 });
    const id = await api.submitted({ webhook: url });
    await waitFor("the first try to be noted", async () => (await job(id)).webhook.error !== null);
    expect((await job(id)).webhook).toMatchObject({ status: "pending", tries: 1, error: "the receiver answered 500" });
    await waitFor("the third delivery", () => of(id).length === 3);
    await waitFor("the job to say so", async () => (await job(id)).webhook.status === "delivered");
    script = () => new Response();
    const deliveries = of(id);
    for (const delivery of deliveries) expect(verified(delivery)).toMatchObject({ id, status: "completed" });
    const waits = deliveries.slice(1).map(({ atMs }, i) => (atMs - (deliveries[i]?.atMs ?? 0)) / 1000);
    console.log(`tried again after ${waits.map((wait) => wait.toFixed(1)).join(" and ")} s`);
    expect((waits[1] ?? 0) > (waits[0] ?? 0)).toBe(true);
  });

  test("is told of a failed and of a cancelled job too", async () => {
    const { url, of } = receiver();
    backend.scriptNext({ status: 400 });
    const failed = await api.submitted({ webhook: url });
    const told = verified(await waitFor("the delivery", () => of(failed)[0]));
    expect(told).toMatchObject({ status: "failed", error: { code: "invalid_request" } });
    backend.scriptNext({ holdAfter: 1 });
    const cancelled = await api.submitted({ webhook: url });
    await api.jobIn(cancelled, ["running"]);
    await api.cancel(cancelled);
    expect(verified(await waitFor("the delivery", () => of(cancelled)[0])).status).toBe("cancelled");
    backend.release();
  });

  test("is told although the coordinator was killed between the job's end and the delivery", async () => {
    const { url, of } = receiver();
    // The first delivery is never answered: when the coordinator dies, it cannot know whether it arrived.
    script = (n) => (n === 1 ? new Promise(() => undefined) : new Response());
    const id = await api.submitted({ webhook: url });
    await waitFor("the first delivery", () => of(id).length === 1);
    await coordinator.kill9();
    coordinator = await stage.restart(coordinator);
    await waitFor("the second delivery", () => of(id).length === 2);
    script = () => new Response();
    expect(of(id).map(verified)).toMatchObject([
      { id, status: "completed" },
      { id, status: "completed" },
    ]);
    await waitFor("the job to say so", async () => (await job(id)).webhook.status === "delivered");
    await stage.served(coordinator, model);
  });

  test("that redirects is not followed inside", async () => {
    const inside = receiver();
    const { url, of } = receiver();
    script = () => Response.redirect(inside.url, 307);
    const id = await api.submitted({ webhook: url });
    await waitFor("the try to be noted", async () => (await job(id)).webhook.error !== null);
    script = () => new Response();
    expect((await job(id)).webhook.error).toBe("the receiver answered 307");
    expect([of(id).length, inside.deliveries.length]).toEqual([1, 0]);
  });
});

describe("without allow_private", () => {
  test("nothing inside is taken as a target, nor reached through a name", async () => {
    const { coordinator: careful, key } = await stage.coordinator();
    const { url, deliveries } = receiver();
    await stage.node(careful, [backend.url]);
    await stage.served(careful, model);
    const its = client(() => careful.url, key, model);
    const port = new URL(url).port;
    for (const webhook of [
      url,
      `https://127.0.0.1:${port}/`,
      `https://localhost:${port}/`,
      "https://[::ffff:10.0.0.1]/",
    ]) {
      expect(await refusalOf(await its.submit({ webhook }))).toMatchObject({ status: 400, param: "webhook" });
    }
    // This machine's own name leads to an address of its network, where it leads anywhere.
    const id = await its.submitted({ webhook: `https://${hostname()}:${port}/` });
    const noted = await waitFor("the try to be noted", async () => {
      const { webhook } = (await its.job(id)) as HookedJob;
      return webhook.error !== null && webhook;
    });
    expect(noted.error).toMatch(/not public|does not resolve/);
    console.log(noted.error);
    expect(deliveries).toEqual([]);
  });
});
