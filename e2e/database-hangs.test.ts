// A libSQL server that hangs: the real one, stopped where it is. Pages say so within seconds and come back by themselves;
// what was begun is not cut short.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { sqldPath, type TestServer, testServer } from "../src/db/test-server.ts";
import { openBrowser } from "./harness/browser.ts";
import { type Client, client } from "./harness/client.ts";
import { type FaultBackend, PLAIN_TEXT } from "./harness/fault-backend.ts";
import { createKey, type Instance } from "./harness/instance.ts";
import type { Person } from "./harness/person.ts";
import { expectWhole, firstAdmin, THEMES, visit, WIDTHS } from "./harness/site.ts";
import { backendsToml, openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const model = "scripted-model";
/** Many times the patience of a page, since the machine may have other things to do; without any it would be forever. */
const SOON_MS = 40_000;

describe.skipIf(sqldPath === null)("while its libSQL server hangs", () => {
  let stage: Stage;
  let server: TestServer;
  let backend: FaultBackend;
  let coordinator: Instance;
  let admin: Person;
  let api: Client;

  beforeAll(async () => {
    stage = await openStage();
    server = await testServer(sqldPath ?? "");
    stage.onClose(() => server[Symbol.asyncDispose]());
    backend = stage.backend({ model });
    const config = `[database]\nurl = "${server.url}"\n[node]\nprobe = false\n${backendsToml([backend.url])}`;
    coordinator = await stage.start({ mode: "both", config });
    await stage.served(coordinator, model);
    admin = await firstAdmin(coordinator);
    api = client(() => coordinator.url, await createKey(stage.executable, coordinator), model);
  });
  afterAll(() => stage.close());

  test("pages say so within seconds and come back by themselves; acts do not begin; streams go on", async () => {
    const browser = await openBrowser();
    stage.onClose(() => browser.close());
    const url = `${coordinator.url}/keys`;
    const { page } = await visit(browser, url, admin);
    await page.goto(url);
    backend.script({ holdAfter: 1 });
    const chat = api.readChat();
    await waitFor("the answer to be under way", () => backend.requests.some(({ state }) => state === "held"));
    server.hang(true);
    const startedMs = performance.now();
    const answer = await page.goto(url, { waitUntil: "load" });
    expect(answer?.status()).toBe(503);
    expect(performance.now() - startedMs).toBeLessThan(SOON_MS);
    await page.getByRole("heading", { name: "No answer from the database" }).waitFor();
    // What hangs already is not waited for again.
    const againMs = performance.now();
    const act = await admin.post("/keys", { name: "never made" });
    expect([act.status, performance.now() - againMs < SOON_MS]).toEqual([503, true]);
    backend.release();
    expect(await chat).toMatchObject({ text: PLAIN_TEXT, done: true, error: null });
    server.hang(false);
    await page.getByRole("heading", { name: "Keys", exact: true, level: 1 }).waitFor();
    expect(await page.getByText("never made").count()).toBe(0);
  });

  test("and the page is one of ours, in both themes, on a phone and on a wide screen", async () => {
    const browser = await openBrowser();
    stage.onClose(() => browser.close());
    const shots = process.env.INFERNET_SCREENSHOTS ?? stage.directory("screenshots");
    server.hang(true);
    for (const theme of THEMES) {
      for (const width of WIDTHS) {
        const { context, page } = await visit(browser, coordinator.url, admin, { theme, width });
        // It would load itself anew while it is looked at.
        await page.route("**/admin", async (route) => {
          const response = await route.fetch();
          const { refresh: _, ...headers } = response.headers();
          await route.fulfill({ response, headers });
        });
        await page.goto(`${coordinator.url}/admin`);
        await page.getByRole("heading", { name: "No answer from the database" }).waitFor();
        await expectWhole(page, join(shots, `database-hangs-${theme}-${width}.png`));
        await context.close();
      }
    }
    server.hang(false);
  });
});
