// The public pages on the real server: what they show of hostile strangers, who may see them, and where they end.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { modelHref } from "../../web/parts/model-href.ts";
import { createSetupLink } from "../accounts/first-admin.ts";
import { type CoordinatorStage, coordinatorStage } from "../http/testing/coordinator-stage.ts";
import { allowNode } from "../registry/nodes.ts";

const HOSTILE = [
  '<script>document.title="owned"</script>',
  '"><img src=x onerror=alert(1)>',
  "a/b?c#d%2F&e",
  `\u202eevil${"x".repeat(300)}`.slice(0, 256),
];
const PAGES = ["/", "/models", "/nodes", "/check", "/docs", "/reference"];

let on: CoordinatorStage;
const get = (path: string, headers: Record<string, string> = {}, stage = on) =>
  fetch(stage.server.url + path, { redirect: "manual", headers: { accept: "text/html", ...headers } });
const page = async (path: string): Promise<string> => {
  const answer = await get(path);
  expect([path, answer.status]).toEqual([path, 200]);
  return await answer.text();
};
const hrefs = (html: string): string[] => [...html.matchAll(/href="([^"]*)"/g)].map(([, href]) => href ?? "");

beforeAll(async () => {
  on = await coordinatorStage({ aliases: { fast: ["qwen3:32b"] } });
  on.node(1, { models: ["qwen3:32b", ...HOSTILE], prices: { input: 100_000, output: 280_000 }, contextLength: 32_768 });
  on.node(2, { models: ["qwen3:32b"], prices: { input: 80_000, output: 340_000 }, contextLength: 8_192 });
  const evil = on.node(4, { models: ["plain"] });
  if (evil.node) evil.node.name = "</td><script>alert(2)</script>";
  const own = on.node(3, { models: ["secret-model"] });
  on.registry.place(own.pubkey, { pool: "acme", maintenance: false, account: "local" });
});
afterAll(() => on[Symbol.asyncDispose]());

describe("every public page", () => {
  test.each(PAGES)("%s is there for strangers, and nothing inline is in it", async (path) => {
    const html = await page(path);
    expect(html).toContain("<h1>");
    expect(html).not.toMatch(/<script>|style="|onerror=[^&]*>|<img/);
    expect((await get(path)).headers.get("content-security-policy")).toContain("default-src 'self'");
  });

  test.each(PAGES)("%s sends strangers to sign in first where it is closed, and back again", async (path) => {
    await using closed = await coordinatorStage({ dashboard: { isPublic: () => false } });
    const answer = await get(path, {}, closed);
    expect([answer.status, answer.headers.get("location")]).toEqual([303, `/sign-in?next=${encodeURIComponent(path)}`]);
    expect((await get("/live/network", { accept: "text/event-stream" }, closed)).status).toBe(401);
  });
});

describe("hostile names", () => {
  test("are text, and lead to their model whatever is in them", async () => {
    const html = await page("/models");
    for (const name of HOSTILE) {
      const href = modelHref(name);
      expect(hrefs(html)).toContain(href.replaceAll("'", "&#39;"));
      const one = await page(href);
      expect(one).toContain("Who serves it");
      expect(one).not.toContain("\u202e");
    }
  });

  test("of models and nodes are escaped on every page that lists them", async () => {
    for (const path of ["/", "/models"]) expect(await page(path)).toContain("&lt;img src=x onerror=alert(1)&gt;");
    for (const path of ["/nodes", "/models/plain"]) {
      const html = await page(path);
      expect(html).toContain("&lt;/td&gt;&lt;script&gt;alert(2)");
      expect(html).not.toMatch(/<script>|<img/);
    }
  });

  test("that are no Unicode keep no page from being there", async () => {
    await using broken = await coordinatorStage();
    const { pubkey } = broken.node(1, { models: ["half\ud800", "\udfff"] });
    await allowNode({ db: broken.database.db, clock: broken.clock }, pubkey, {});
    for (const path of ["/", "/models", "/nodes", `/nodes/${pubkey}`]) {
      expect([path, (await get(path, {}, broken)).status]).toEqual([path, 200]);
    }
  });

  test("of private pools are told to nobody", async () => {
    for (const path of ["/", "/models", "/nodes"]) expect(await page(path)).not.toContain("secret-model");
    expect((await get("/models/secret-model")).status).toBe(404);
    expect(await page("/nodes")).not.toContain("node 03");
  });
});

describe("the catalogue", () => {
  const names = async (query: string) =>
    hrefs(await page(`/models?${query}`)).flatMap((href) => /^\/models\/(.+)$/.exec(href)?.[1] ?? []);

  test("has prices from the cheapest, the longest context, and other names", async () => {
    const html = await page("/models?q=qwen3");
    for (const part of ["$0.08", "$0.28", "32\u202f768", "2 nodes"]) expect(html).toContain(part);
    expect(await page("/models?q=fast")).toContain("Another name for <bdi>qwen3:32b</bdi>");
  });

  test("is searched, filtered and ordered", async () => {
    expect(await names("q=QWEN")).toEqual([encodeURIComponent("qwen3:32b")]);
    expect(await names("context=65536")).toEqual([]);
    expect(await page("/models?context=65536")).toContain("No model fits");
    expect((await names("order=cheap&q=a"))[0]).toBe("plain");
    expect((await names("order=name&q=3"))[0]).toBe(encodeURIComponent("qwen3:32b"));
    expect((await names("order=constructor")).length).toBe(HOSTILE.length + 3);
  });

  test("has a page of a model that nobody serves now, and none of one that never was", async () => {
    on.registry.expect("gone-model", "");
    const answer = await get("/models/gone-model");
    expect([answer.status, await answer.text()]).toEqual([404, expect.stringContaining("Nobody serves it now")]);
    const never = await get("/models/never-model");
    expect([never.status, await never.text()]).toEqual([404, expect.stringContaining("No such model")]);
  });
});

test("the directory pages through thousands by cursor, each node once, quickly", async () => {
  await using many = await coordinatorStage();
  for (let i = 10; i < 130; i++) many.node(i, { models: [`m${i % 7}`] });
  const seen: string[] = [];
  let path: string | undefined = "/nodes?order=name";
  while (path !== undefined) {
    const html = await (await get(path, {}, many)).text();
    seen.push(...[...html.matchAll(/href="\/nodes\/([0-9a-f]{64})"/g)].map(([, key]) => key ?? ""));
    path = hrefs(html)
      .find((href) => href.startsWith("/nodes?") && href.includes("after="))
      ?.replaceAll("&amp;", "&");
  }
  expect([seen.length, new Set(seen).size]).toEqual([120, 120]);
});

test("the docs are filled with the address that the visitor uses", async () => {
  const { host } = new URL(on.server.url);
  const html = await (await get("/docs", { host: host.replace("127.0.0.1", "localhost") })).text();
  expect(html).toContain(`curl http://localhost:${host.split(":")[1]}/v1/chat/completions`);
});

test("a fresh instance says how the first admin is made, until there is one", async () => {
  await using fresh = await coordinatorStage();
  const text = async () => await (await get("/", {}, fresh)).text();
  expect(await text()).toContain("infernet users setup-link");
  const link = await createSetupLink(fresh.human.people);
  const secret = link.ok ? link.value.link.slice(link.value.link.indexOf("#") + 1) : "";
  const made = await fetch(`${fresh.server.url}/api/v1/auth/setup`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name: "Ada", email: "ada@example.org", password: "correct horse battery", secret }),
  });
  expect(made.status).toBe(200);
  fresh.clock.advance(10_000);
  expect(await text()).not.toContain("setup-link");
});

describe("what is not there", () => {
  test("is a page for browsers and an error for programs", async () => {
    const browser = await get("/nowhere", { accept: "text/html,application/xhtml+xml,*/*;q=0.8" });
    expect([browser.status, browser.headers.get("content-type"), await browser.text()]).toEqual([
      404,
      "text/html; charset=utf-8",
      expect.stringContaining("No such page"),
    ]);
    for (const accept of ["*/*", "application/json"]) {
      const program = await get("/nowhere", { accept });
      expect([program.status, await program.json()]).toEqual([
        404,
        { error: expect.objectContaining({ code: "route_not_found" }) },
      ]);
    }
  });

  test("of assets has no page", async () => {
    expect((await get("/check/checker.000000000000.js")).status).toBe(404);
  });
});

test("the script that checks receipts is kept for good under an address of its own", async () => {
  const worker = /data-worker="([^"]+)"/.exec(await page("/check"))?.[1] ?? "";
  const answer = await get(worker);
  expect([answer.status, answer.headers.get("cache-control")]).toEqual([200, "public, max-age=31536000, immutable"]);
  expect(await answer.text()).toContain("387");
});
