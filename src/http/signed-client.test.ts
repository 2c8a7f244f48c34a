// Signed clients: machines and other coordinators that ask under their own key.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { markOf } from "../protocol/trail.ts";
import {
  CLIENT,
  COORDINATOR,
  type CoordinatorStage,
  coordinatorStage,
  PROVIDER,
  until,
} from "./testing/coordinator-stage.ts";

const MIB = 1024 * 1024;
const B = "b".repeat(16);
const CHAT = "/v1/chat/completions";

let on: CoordinatorStage;
beforeAll(async () => {
  on = await coordinatorStage();
});
afterAll(() => on[Symbol.asyncDispose]());

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(on.server.url + path, { headers: { ...on.sign(CLIENT, "GET", path), ...headers } });
function post(path: string, body: object, headers: Record<string, string> = {}, as = CLIENT): Promise<Response> {
  const text = JSON.stringify(body);
  return fetch(on.server.url + path, {
    method: "POST",
    body: text,
    headers: { ...on.sign(as, "POST", path, text), ...headers },
  });
}
const chat = (content = "hi") => ({ model: "m", messages: [{ role: "user", content }] });
const codeOf = async (response: Response): Promise<[number, string]> => [
  response.status,
  ((await response.json()) as { error: { code: string } }).error.code,
];

test("a job belongs to the account of the key that signed", async () => {
  const node = on.node(1);
  const answer = post(CHAT, chat());
  await until(() => node.attempts.size > 0);
  const [job] = on.jobs.live.values();
  expect([job?.accountId, job?.keyId, job?.fairKey]).toEqual(["other", null, CLIENT.pubkey]);
  node.end(node.last);
  expect((await answer).status).toBe(200);
  const submitted = await post("/api/v1/jobs", chat());
  const { id } = (await submitted.json()) as { id: string };
  const seen = await Promise.all([get(`/api/v1/jobs/${id}`), on.call(`/api/v1/jobs/${id}`)]);
  expect(seen.map(({ status }) => status)).toEqual([200, 404]);
  node.lose();
});

describe("a body", () => {
  const large = chat("x".repeat(1.5 * MIB));

  test("of a client may be as large as with an API key", async () => {
    expect(await codeOf(await post(CHAT, { ...large, model: "none" }))).toEqual([404, "model_not_found"]);
    expect(await codeOf(await post(CHAT, chat("x".repeat(2 * MIB))))).toEqual([413, "body_too_large"]);
  });

  test("of a key that is no client's has the bound of machines", async () => {
    expect(await codeOf(await post(CHAT, large, {}, PROVIDER))).toEqual([413, "body_too_large"]);
    expect(await codeOf(await post(CHAT, chat(), {}, PROVIDER))).toEqual([403, "role_not_allowed"]);
  });
});

describe("a request that was passed on", () => {
  test("ends where it was before, or has come too far", async () => {
    const via = { "x-infernet-via": `${B},${markOf(COORDINATOR.pubkey)}` };
    for (const path of ["/v1/models", "/api/v1/jobs"])
      expect(await codeOf(await get(path, via))).toEqual([508, "loop_detected"]);
    expect(await codeOf(await get("/v1/models", { "x-infernet-hops": "4" }))).toEqual([508, "hop_limit"]);
    expect((await get("/v1/models", { "x-infernet-hops": "3" })).status).toBe(200);
    expect(await codeOf(await get("/v1/models", { "x-infernet-hops": "many" }))).toEqual([400, "invalid_value"]);
  });

  test("is told only of models that it can reach, and how", async () => {
    const [lent, own] = [on.node(2, { path: [B], models: ["lent", "both"] }), on.node(3, { models: ["both"] })];
    const list = async (headers = {}) => ((await (await get("/v1/models", headers)).json()) as { data: object[] }).data;
    expect(await list()).toMatchObject([
      { id: "both", hops: 0, via: [], nodes: 2 },
      { id: "lent", hops: 1, via: [B], nodes: 1 },
    ]);
    expect(await list({ "x-infernet-via": B })).toMatchObject([{ id: "both", hops: 0, via: [], nodes: 1 }]);
    expect((await get("/v1/models/lent", { "x-infernet-via": B })).status).toBe(404);
    const withKey = (await (await on.call("/v1/models", { headers: { "x-infernet-via": B } })).json()) as {
      data: object[];
    };
    expect(withKey.data).toMatchObject([{ id: "both" }, { id: "lent", hops: 1 }]);
    expect(withKey.data[1]).not.toHaveProperty("via");
    lent.lose();
    own.lose();
  });

  test("is a chat, not a job that runs by itself", async () => {
    const refused = await post("/api/v1/jobs", chat(), { "x-infernet-hops": "1" });
    expect(await codeOf(refused)).toEqual([400, "invalid_request"]);
  });
});
