// The playground on the real server: what the page is sent while an answer comes, and what becomes of the job.
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createApiKey } from "../../accounts/api-keys.ts";
import { type CoordinatorStage, coordinatorStage, until } from "../../http/testing/coordinator-stage.ts";
import type { SimNode } from "../../jobs/testing/stage.ts";
import type { Delta } from "../../protocol/generation.ts";
import { type SignedIn, signedIn } from "../testing/signed-in.ts";

let on: CoordinatorStage;
let node: SimNode;
let person: SignedIn;

beforeEach(async () => {
  on = await coordinatorStage();
  node = on.node(1, { slots: 8, models: ["m", "n"] });
  person = await signedIn(on);
});
afterEach(() => on[Symbol.asyncDispose]());

const HTMX = { "hx-request": "true", "hx-request-type": "partial" };
const send = (fields: Record<string, string>, init: { signal?: AbortSignal; headers?: Record<string, string> } = {}) =>
  person.post("/playground", { model0: "m", ...fields }, { ...init, headers: { ...HTMX, ...init.headers } });
const WITHOUT_SCRIPT = { "hx-request": "false", "hx-request-type": "full" };
const page = async (query = "") => (await person.get(`/playground${query}`)).text();

/** What the stream sent, as the page gets it. */
const dataOf = (text: string): string =>
  text
    .split("\n")
    .flatMap((line) => (line.startsWith("data: ") ? [line.slice(6)] : []))
    .join("\n");
async function dispatched(count = 1) {
  await until(() => node.attempts.size >= count);
  return [...node.attempts.values()];
}
function say(attempt: SimNode["last"], ...deltas: Delta[]): void {
  const wrong = on.jobs.listener.delta(node.node!, {
    type: "delta",
    attempt: attempt.id,
    offset: attempt.sent,
    deltas,
  });
  if (wrong) throw new Error(wrong);
  attempt.made = attempt.sent += deltas.length;
}
test("a question is a job of the account one acts for, without a key", async () => {
  const asked = send({ message: "hello", temperature: "0.5", max_tokens: "64" });
  const [attempt] = await dispatched();
  const [job] = [...on.jobs.live.values()];
  expect(job).toMatchObject({ kind: "chat", keyId: null, model: "m", maxTokens: 64, stream: true });
  expect(job?.accountId).not.toBe("local");
  expect(JSON.parse(job?.bodyJson ?? "")).toEqual({
    model: "m",
    messages: [{ role: "user", content: "hello" }],
    stream: true,
    max_tokens: 64,
    temperature: 0.5,
  });
  say(attempt!, { content: "hi" });
  node.end(attempt!);
  await (await asked).text();
});

test("pieces are spans, markup of models stays text, and the end has the conversation for the form", async () => {
  const asked = send({
    message: "<b>you</b>",
    history0: '[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]',
  });
  const [attempt] = await dispatched();
  say(attempt!, { content: "<script>alert(1)</script>" }, { content: " </hx-partial><hx-partial>" });
  const answer = await asked;
  expect(answer.headers.get("content-type")).toBe("text/event-stream");
  node.end(attempt!);
  const data = dataOf(await answer.text());
  expect(data).not.toMatch(/<script|<b>you|<\/hx-partial><hx-partial>[^<]*<\/span>/);
  expect(data).toContain("<span>&lt;script&gt;alert(1)&lt;/script&gt;");
  expect(data).toContain("m has answered.");
  const kept = /name="history0" value="([^"]*)"/g;
  const last = [...data.matchAll(kept)]
    .at(-1)?.[1]
    ?.replaceAll("&quot;", '"')
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">");
  expect(JSON.parse(last ?? "")).toEqual([
    { role: "user", content: "a" },
    { role: "assistant", content: "b" },
    { role: "user", content: "<b>you</b>" },
    { role: "assistant", content: "<script>alert(1)</script> </hx-partial><hx-partial>" },
  ]);
});

test("two models are asked by one request, and one stream feeds both answers", async () => {
  const asked = send({ model1: "n", message: "hello" });
  const attempts = await dispatched(2);
  expect([...on.jobs.live.values()].map(({ model }) => model).sort()).toEqual(["m", "n"]);
  for (const attempt of attempts) {
    say(attempt, { content: "hi" });
    node.end(attempt);
  }
  const data = dataOf(await (await asked).text());
  expect(data).toContain('hx-target="#talk-0"');
  expect(data).toContain('hx-target="#talk-1"');
  expect(data).toContain("m has answered. n has answered.");
});

test("who leaves ends the jobs, down to the nodes", async () => {
  const leaving = new AbortController();
  const asked = send({ model1: "n", message: "hello" }, { signal: leaving.signal });
  const attempts = await dispatched(2);
  say(attempts[0]!, { content: "hi" });
  await asked;
  leaving.abort();
  await until(() => on.ended.length === 2);
  expect(on.ended.map(({ state, error }) => [state, error?.code])).toEqual([
    ["cancelled", "client_gone"],
    ["cancelled", "client_gone"],
  ]);
  expect(node.heardOf("cancel")).toHaveLength(2);
});

test("the way is shown: a try that failed, and the node that went on", async () => {
  const asked = send({ message: "hello" });
  const [attempt] = await dispatched();
  const other = on.node(2, { models: ["m"] });
  node.fail(attempt!, "backend_failed");
  await until(() => other.attempts.size === 1);
  on.clock.advance(400);
  other.stream(other.last, 2);
  other.end(other.last);
  const data = dataOf(await (await asked).text());
  expect(data).toMatch(/<s><bdi>node 01<\/bdi><\/s>.*failed.*<bdi>node 02<\/bdi>/s);
});

test("thinking and tool calls are shown beside the answer", async () => {
  const asked = send({ message: "hello" });
  const [attempt] = await dispatched();
  say(
    attempt!,
    { reasoning_content: "hm & hm" },
    { tool_calls: [{ index: 0, id: "a", function: { name: "f", arguments: "{}" } }] },
  );
  node.end(attempt!);
  const data = dataOf(await (await asked).text());
  expect(data).toContain("hm &amp; hm");
  expect(data).toContain("Wants to call <b>f</b>");
});

describe("what is refused", () => {
  test("is said in the answer's place, with what to do, and can be asked again", async () => {
    const data = dataOf(await (await send({ model0: "nowhere", message: "hello" })).text());
    expect(data).toContain("Nobody serves this model");
    expect(data).toContain("<code>model_not_found</code>");
    expect(data).toContain('name="again"');
    expect(data).toContain("nowhere did not answer.");
  });

  test("does not become part of the conversation, until it is answered", async () => {
    const history0 = '[{"role":"user","content":"first"}]';
    const [again, next] = [send({ history0, again: "1", message: "" }), send({ history0, message: "second" })];
    await dispatched(2);
    const asked = [...on.jobs.live.values()].map(
      ({ bodyJson }) => (JSON.parse(bodyJson) as { messages: unknown }).messages,
    );
    expect(asked).toContainEqual([{ role: "user", content: "first" }]);
    expect(asked).toContainEqual([{ role: "user", content: "second" }]);
    for (const attempt of node.attempts.values()) node.end(attempt);
    await Promise.all([again, next].map(async (one) => (await one).text()));
  });

  test("nothing to say, and no number, is said without asking anybody", async () => {
    for (const fields of [{ message: " " }, { message: "a", temperature: "hot" }, { message: "a", history0: "{" }]) {
      const answer = await send(fields as Record<string, string>);
      expect(answer.status).toBe(422);
      expect(answer.headers.get("hx-trigger")).toContain("Not sent");
    }
    expect(on.jobs.live.size).toBe(0);
  });
});

test("an answer asked for again takes the last one's place", async () => {
  const last0 = Bun.randomUUIDv7();
  const history0 = '[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]';
  const asked = send({ history0, last0, again: "1" });
  const [attempt] = await dispatched();
  const [job] = [...on.jobs.live.values()];
  expect((JSON.parse(job?.bodyJson ?? "") as { messages: unknown }).messages).toEqual([{ role: "user", content: "a" }]);
  node.end(attempt!);
  expect(dataOf(await (await asked).text())).toContain(`hx-target="#turn-${last0}"`);
});

test("without script the page comes back with the answer in it", async () => {
  const asked = send({ message: "hello" }, { headers: WITHOUT_SCRIPT });
  const [attempt] = await dispatched();
  say(attempt!, { content: "before\n```js\nlet a;\n```\nafter" });
  node.end(attempt!);
  const html = await (await asked).text();
  expect(html).toContain("<h1>Playground</h1>");
  expect(html).toMatch(/<pre class="code"[^>]*>let a;<\/pre>/);
  expect(html).toContain('data-text="before\n```js\nlet a;\n```\nafter"');
  expect(html).toContain("&quot;role&quot;:&quot;assistant&quot;");
});

test("what an answer leads to opens beside the conversation, which is in the page alone", async () => {
  const asked = send({ message: "hello" }, { headers: WITHOUT_SCRIPT });
  const [attempt] = await dispatched();
  say(attempt!, { content: "Hi." });
  node.end(attempt!);
  const [, turn = ""] = (await (await asked).text()).split('class="turn"');
  const links = turn.split('id="kept-0"')[0]?.match(/<a [^>]+>/g) ?? [];
  expect(links.length).toBe(2);
  for (const link of links) expect(link).toContain('target="_blank"');
});

test("private pools are those of the account's keys in force", async () => {
  const [job] = await (async () => {
    const asked = send({ message: "a" });
    const [attempt] = await dispatched();
    const all = [...on.jobs.live.values()];
    node.end(attempt!);
    await (await asked).text();
    return all;
  })();
  const accountId = job?.accountId ?? "";
  expect(job?.wishes.pools).toEqual([]);
  await createApiKey(on.keyDeps, { name: "k", accountId, pools: ["garage"] });
  await createApiKey(on.keyDeps, { name: "old", accountId, pools: ["cellar"], expiresMs: on.clock.nowMs() });
  expect(await page()).toMatch(/<option value="garage">/);
  const asked = send({ message: "a", pool: "garage" });
  const data = dataOf(await (await asked).text());
  expect(data).toContain("no_matching_node");
});

test("members of an organisation who are no owners do not spend in its name", async () => {
  person = await signedIn(on, { email: "max@example.org", member: true });
  expect(await page()).toContain("You look on here");
  const answer = await send({ message: "a" });
  expect([answer.status, on.jobs.live.size]).toEqual([403, 0]);
});

test("such a member is one click away from asking from their own account, with the model they had chosen", async () => {
  person = await signedIn(on, { email: "mia@example.org", member: true });
  const shown = await page("?model=llama3");
  const hidden = (name: string) =>
    new RegExp(`name="${name}" value="([^"]*)"`).exec(shown.split("/account/switch")[1] ?? "");
  const [account, next] = [hidden("account")?.[1] ?? "", hidden("next")?.[1] ?? ""];
  expect(account).not.toBe(person.accountId);
  const switched = await person.post("/account/switch", { account, next });
  expect([switched.status, switched.headers.get("location")]).toEqual([303, "/playground?model=llama3"]);
  const own = await page("?model=llama3");
  expect([own.includes("You look on here"), /id="send"[^>]*disabled/.test(own)]).toEqual([false, false]);
});

describe("the page", () => {
  test("chooses the model that is named, however it is called", async () => {
    const html = await page(`?model=${encodeURIComponent('<img src=x>"')}`);
    expect(html).not.toContain("<img");
    expect(html).toMatch(/<option value="&lt;img src=x&gt;&quot;" selected="">/);
  });
  test("says what to do where no model is served", async () => {
    node.lose();
    expect(await page()).toContain("No model is served now");
  });
});
