// Pictures: makes the README's pictures of the dashboard, from real processes in a real browser. The nodes front scripted
// backends, so that there are several and busy ones; everything that is shown was measured while they ran.
//
//     bun e2e/pictures.ts [--minutes 3] [--out docs/pictures]
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Browser, Page } from "playwright-core";
import { openBrowser } from "./harness/browser.ts";
import { client } from "./harness/client.ts";
import type { FaultBackend } from "./harness/fault-backend.ts";
import { firstAdmin, type Look, visit } from "./harness/site.ts";
import { openStage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const { values } = parseArgs({
  options: { minutes: { type: "string", default: "3" }, out: { type: "string", default: "docs/pictures" } },
});
const MINUTES = Number(values.minutes);
const OUT = values.out;

const TEXT = `When the line at the counter grows faster than you can pull shots, you ask the cashier to slow down taking orders, so cups do not pile up cold on the bar.

That nudge upstream is back-pressure: the slow part tells the fast part how much it can handle.

Nobody loses a drink; the queue just waits where it costs least.`;
const OTHER_TEXT = `Imagine the espresso machine can pull two shots a minute while the till takes five orders. Instead of stacking tickets until you drown, you signal the till to hold the next customer for a moment.

Orders then come only as fast as cups go out, and every cup is still hot.`;
const piecesOf = (text: string): string[] => text.split(/(?<= )/);
const PROMPT = "Explain back-pressure to a barista, in three sentences.";
/** Answers differently, so that two side by side are two. */
const LLAMA = "llama3.3:70b";

/** Name, models, pieces a second, prices in and out. */
const NODES: readonly [string, readonly string[], number, number, number][] = [
  ["aurora-3", ["qwen3:32b", "gpt-oss:20b"], 60, 80_000, 280_000],
  ["basalt", ["qwen3:32b", "gemma3:27b"], 45, 70_000, 240_000],
  ["cedar-1", ["llama3.3:70b", "qwen3:32b"], 40, 100_000, 340_000],
  ["cedar-2", ["llama3.3:70b"], 38, 100_000, 340_000],
  ["delta-lab", ["gpt-oss:20b", "mistral-small:24b", LLAMA], 30, 100_000, 340_000],
  ["ember", ["gemma3:27b"], 50, 70_000, 240_000],
];
const MODELS = ["qwen3:32b", "gpt-oss:20b", "gemma3:27b", "llama3.3:70b", "mistral-small:24b"];

const stage = await openStage();
let browser: Browser | undefined;
try {
  browser = await openBrowser();
  const { coordinator, key } = await stage.coordinator(
    '[billing]\nmode = "credits"\n[aliases]\n"gpt-4o" = ["llama3.3:70b", "qwen3:32b"]\n',
  );
  const admin = await firstAdmin(coordinator);
  await stage.run(coordinator, ["credits", "grant", "local", "250", "--reason", "pictures"]);
  const backends: FaultBackend[] = [];
  for (const [name, models, perS, input, output] of NODES) {
    const own = models.map((model) =>
      stage.backend({
        model,
        contextLength: 131_072,
        script: {
          tokens: piecesOf(model === LLAMA ? OTHER_TEXT : TEXT),
          firstTokenMs: 120,
          betweenTokensMs: (model === LLAMA ? 2000 : 1000) / perS,
        },
      }),
    );
    backends.push(...own);
    await stage.node(
      coordinator,
      own.map(({ url }) => url),
      `[node]\nname = "${name}"\nslots = 3\nregion = "eu-west"\nprice_input = ${input}\nprice_output = ${output}`,
    );
  }
  for (const model of MODELS) await stage.served(coordinator, model);
  const api = client(() => coordinator.url, key, MODELS[0] ?? "");

  // Of three that serve it one refuses and one dies in the middle: the answer goes on elsewhere.
  const [refusing, dying] = backends.filter(({ model }) => model === LLAMA);
  refusing?.scriptNext({ status: 500 });
  dying?.scriptNext({ faultAfter: 30, fault: "die" });
  const endMs = Date.now() + MINUTES * 60_000;
  let asked = 0;
  const llamaJobs: string[] = [];
  const busy = async (i: number): Promise<void> => {
    while (Date.now() < endMs) {
      const n = asked++;
      const model = MODELS[(n * 7 + i) % MODELS.length];
      const answer = await api.chat({ model, stream: true, seed: n, messages: [{ role: "user", content: PROMPT }] });
      await answer.text();
      if (model === LLAMA) llamaJobs.push(answer.headers.get("x-infernet-job") ?? "");
      // Now more, now less, as people are.
      await Bun.sleep(900 * (1 + Math.sin(Date.now() / 60_000 + i)));
    }
  };
  const traffic = Promise.all(Array.from({ length: 9 }, (_, i) => busy(i)));
  await waitFor("the charts to have something to show", () => Date.now() > endMs - 30_000, {
    deadlineMs: MINUTES * 60_000 + 60_000,
  });

  mkdirSync(OUT, { recursive: true });
  const picture = async (
    name: string,
    path: string,
    look: Look,
    ready: (page: Page) => Promise<unknown>,
    tall = false,
  ) => {
    const { context, page, complaints } = await visit(browser as Browser, coordinator.url, admin, look);
    await page.goto(coordinator.url + path);
    await ready(page);
    await page.screenshot({ path: join(OUT, `${name}.png`), fullPage: tall });
    if (complaints.length > 0) throw new Error(`${path}: ${complaints.join("; ")}`);
    await context.close();
    console.log(`${OUT}/${name}.png`);
  };
  const live = (page: Page) => page.locator("#stream-state.live").waitFor();
  await picture("overview", "/admin", { theme: "light" }, live, true);
  await picture("overview-phone", "/admin", { theme: "dark", width: 360 }, live);
  await picture("models", "/models", { theme: "light" }, live);
  const list = await stage.run(coordinator, ["nodes", "list", "--json"]);
  const aurora = (JSON.parse(list.stdout) as { nodes: { pubkey: string; name: string }[] }).nodes.find(
    ({ name }) => name === "aurora-3",
  );
  await picture("node", `/nodes/${aurora?.pubkey}`, { theme: "light" }, live, true);
  const jobs = await Promise.all(llamaJobs.slice(0, 20).map((id) => api.job(id)));
  const [moved] = jobs
    .filter(({ status, attempts }) => status === "completed" && attempts.length > 1)
    .sort((one, other) => other.attempts.length - one.attempts.length);
  if (moved === undefined) throw new Error("no job went on elsewhere");
  await picture("job", `/jobs/${moved.id}`, { theme: "dark" }, (page) => page.locator("svg.lanes").waitFor(), true);
  await picture("playground", "/playground?model=qwen3:32b&two=1", { theme: "light" }, async (page) => {
    await page.locator("#model-1").selectOption(LLAMA);
    await page.locator("textarea").first().fill(PROMPT);
    await page.keyboard.press("Enter");
    // One has answered, the other is at it.
    await page.locator("#talk-0").getByText("where it costs least").waitFor();
    await page.locator("#talk-1").getByText("Imagine the espresso").waitFor();
  });
  await traffic;
} finally {
  await browser?.close();
  await stage.close();
}
