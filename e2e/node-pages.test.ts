// The pages of nodes in a real browser, over a coordinator and a node in processes of their own: whom a node belongs to,
// what is done to it, and what everybody else sees.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import type { Output } from "../src/admin/operations.ts";
import { openBrowser } from "./harness/browser.ts";
import { type HostileNode, openHostileNode } from "./harness/hostile-node.ts";
import { commandJson, createJoinToken, type Instance } from "./harness/instance.ts";
import { Person } from "./harness/person.ts";
import { type ScriptedOllama, startScriptedOllama, TOTAL } from "./harness/scripted-ollama.ts";
import { expectWhole, expectWholeEverywhere, firstAdmin, undoOf, visit } from "./harness/site.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const PASSWORD = "correct horse battery";
let stage: Stage;
let browser: Browser;
let coordinator: Instance;
let admin: Person;
let opal: Person;
let cleo: Person;
let ollama: ScriptedOllama;
let shots: string;
/** The node that waits at first, and the one that joins by Opal's token. */
let node: Instance;
let nodeKey: string;
let rig: Instance | undefined;

const withOllama = (name: string, more = "") =>
  `[node]\nname = "${name}"\n${more}[[node.backends]]\nkind = "ollama"\nurl = "${ollama.url}"\n`;
const keyOf = async (instance: Instance) =>
  (await commandJson<Output<"status">>(stage.executable, instance.dataDirectory, ["status"])).pubkey;
const nodes = async () =>
  (await commandJson<Output<"listNodes">>(stage.executable, coordinator.dataDirectory, ["nodes", "list"])).nodes;
const online = (pubkey: string) =>
  waitFor("the node to be online", async () => (await nodes()).some((one) => one.pubkey === pubkey && one.online));

async function person(name: string, roles: string[]): Promise<Person> {
  const made = await admin.post("/api/v1/admin/users", { name, email: `${name}@example.org`, roles });
  const secret = String(made.body.link).split("#")[1] ?? "";
  const one = new Person(coordinator.url);
  await one.post("/api/v1/auth/password/reset", { secret, password: PASSWORD });
  await one.signIn(`${name}@example.org`, PASSWORD);
  return one;
}
async function as<T>(who: Person | null, path: string, act: (page: Page) => Promise<T>): Promise<T> {
  const { context, page, complaints } = await visit(browser, coordinator.url, who);
  await page.goto(coordinator.url + path);
  const result = await act(page);
  // A browser says of every refusal that it was one.
  expect(complaints.filter((complaint) => !complaint.includes("status of 422"))).toEqual([]);
  await context.close();
  return result;
}
const toast = (page: Page, text: string) => page.locator(".toast", { hasText: text }).first().waitFor();
/** The dialog that asks, answered with its act. */
async function confirm(page: Page, name?: string): Promise<void> {
  const dialog = page.locator("#confirm");
  await dialog.waitFor();
  if (name !== undefined) await dialog.locator("input").fill(name);
  await dialog.locator("button[value=yes]").click();
}

beforeAll(async () => {
  stage = await openStage();
  browser = await openBrowser();
  stage.onClose(() => browser.close());
  coordinator = await stage.start({ mode: "coordinator" });
  admin = await firstAdmin(coordinator);
  [opal, cleo] = await Promise.all([person("opal", ["operator"]), person("cleo", ["client"])]);
  ollama = startScriptedOllama(["qwen3:8b", "gemma3:4b"]);
  stage.onClose(() => ollama.close());
  shots = process.env.INFERNET_SCREENSHOTS ?? stage.directory("screenshots");
});
afterAll(() => stage.close());

test("an account without nodes reads what a node is, and how to add one", async () => {
  for (const path of ["my/nodes", "my/join-tokens"]) {
    await as(opal, `/${path}`, (page) => expectWhole(page, `${shots}/${path.replace("/", "-")}-empty.png`));
  }
});

test("a machine that waits is seen by an admin, and approved with the keyboard alone", async () => {
  await as(admin, "/admin/nodes", async (page) => {
    await page.locator("#stream-state.live").waitFor();
    const url = `coordinators = [{ url = "${coordinator.url}", pubkey = "${await keyOf(coordinator)}" }]\n`;
    node = await stage.start({ mode: "node", config: withOllama("aurora-3", url) });
    nodeKey = await keyOf(node);
    // It appears by itself.
    const approve = page.locator("#waiting").getByRole("button", { name: "Approve aurora-3" });
    await approve.waitFor();
    await expectWhole(page, `${shots}/admin-nodes-waiting.png`);
    await approve.focus();
    await page.keyboard.press("Enter");
    await toast(page, "Node approved");
    await page.locator("#waiting").waitFor({ state: "hidden" });
  });
  await online(nodeKey);
});

test("a model is installed with its progress on the way, another is cancelled, and a refusal says why", async () => {
  await as(admin, `/nodes/${nodeKey}`, async (page) => {
    const models = page.locator("#node-models");
    await models.getByRole("link", { name: "qwen3:8b" }).waitFor();
    await page.getByLabel("Install a model").fill("llama3.2:1b");
    await page.keyboard.press("Enter");
    await toast(page, "The node is asked");
    await waitFor("the pull to begin", () => ollama.pulls.length === 1);
    ollama.pullTo(TOTAL / 2);
    await models.getByText(/500 kB of 1\.0 MB/).waitFor();
    expect(await models.getByRole("progressbar").getAttribute("value")).toBe("50");
    await page.screenshot({ path: `${shots}/node-installing.png`, fullPage: true });
    ollama.finishPull();
    await models.getByRole("link", { name: "llama3.2:1b" }).waitFor();

    await page.getByLabel("Install a model").fill("big:70b");
    // Pressed twice, it is asked once.
    await page.getByRole("button", { name: "Install", exact: true }).dblclick();
    await waitFor("the pull to begin", () => ollama.pulls.length === 2);
    ollama.pullTo(10);
    await models.getByText(/10 B of 1\.0 MB/).waitFor();
    expect(await page.locator("#node-commands tr", { hasText: "Install big:70b" }).count()).toBe(1);
    await page.getByRole("button", { name: "Cancel: big:70b" }).click();
    await waitFor("the pull to be left", () => ollama.pulls[1]?.state === "left");
    await models.getByText("big:70b", { exact: true }).first().waitFor({ state: "detached" });

    await page.getByLabel("Install a model").fill("none:1b");
    await page.keyboard.press("Enter");
    await waitFor("the pull to begin", () => ollama.pulls.length === 3);
    ollama.failPull("pull model manifest: file does not exist");
    await models.getByText(/Not installed: .*file does not exist/).waitFor();
    await page.getByRole("button", { name: "Try again: none:1b" }).click();
    await waitFor("the pull to begin again", () => ollama.pulls.length === 4);
    ollama.finishPull();
    await models.getByRole("link", { name: "none:1b" }).waitFor();

    await page.getByLabel("Install a model").fill("../etc/passwd");
    await page.keyboard.press("Enter");
    await toast(page, "A model's name has letters");
    // What was typed is still there.
    expect(await page.getByLabel("Install a model").inputValue()).toBe("../etc/passwd");
  });
});

test("a node whose backends fetch no models offers none to be installed, and says why", async () => {
  const plain = await stage.node(coordinator, [stage.backend().url]);
  const key = await keyOf(plain);
  await online(key);
  await as(admin, `/nodes/${key}`, async (page) => {
    await page.getByText("Its backend (openai) cannot fetch models").waitFor();
    expect(await page.getByLabel("Install a model").count()).toBe(0);
    expect(await page.getByRole("button", { name: /^Remove: / }).count()).toBe(0);
    await expectWhole(page, `${shots}/node-no-install.png`);
  });
  await plain.kill9();
});

test("a model is removed once that was confirmed", async () => {
  await as(admin, `/nodes/${nodeKey}`, async (page) => {
    await page.getByRole("button", { name: "Remove: none:1b" }).click();
    await confirm(page);
    await page.locator("#node-models").getByRole("link", { name: "none:1b" }).waitFor({ state: "detached" });
    expect(ollama.models.has("none:1b")).toBe(false);
  });
});

test("an operator's token gives them the node that it lets in", async () => {
  const command = await as(opal, "/my/nodes", async (page) => {
    await page.getByRole("button", { name: "Add a node" }).click();
    await page.locator("#made-command").waitFor();
    await expectWhole(page, `${shots}/join-token-made.png`);
    return (await page.locator("#made-token").textContent()) ?? "";
  });
  expect(command).toMatch(/^infjoin_/);
  rig = await stage.start({ mode: "node", config: withOllama("rig-1", `join_token = "${command}"\n`) });
  const key = await keyOf(rig);
  await online(key);
  await as(opal, "/my/nodes", async (page) => {
    await page.getByRole("link", { name: "rig-1" }).click();
    await page.waitForURL(`${coordinator.url}/nodes/${key}`);
    await page.locator("#owner-h-card").getByText("opal").first().waitFor();
    // Drained by its owner, and back.
    await page.getByRole("button", { name: "Drain" }).click();
    await page.locator("#node-notes", { hasText: "Drains" }).waitFor();
    await page.getByRole("button", { name: "Resume" }).click();
    await page.locator("#node-state", { hasText: "Idle" }).waitFor();
  });
  // Another's node is a provider like any other, to them.
  await as(cleo, `/nodes/${key}`, async (page) => {
    await page.locator("#node-models").getByText("qwen3:8b").first().waitFor();
    expect(await page.getByRole("button", { name: "Drain" }).count()).toBe(0);
    expect(await page.locator("#commands-h-card, #owner-h-card, #install").count()).toBe(0);
  });
  expect((await cleo.post(`/nodes/${key}/command`, { command: "drain" })).status).toBe(404);
  expect((await opal.post(`/nodes/${nodeKey}/command`, { command: "drain" })).status).toBe(404);
});

test.each([
  ["/my/nodes", "my-nodes"],
  ["/my/join-tokens", "join-tokens"],
  ["/nodes/:rig", "node-owner"],
])("to an operator, %s is whole in both themes, on a phone and on a wide screen", async (path, name) => {
  if (!rig) throw new Error("no rig");
  const url = coordinator.url + path.replace(":rig", await keyOf(rig));
  await expectWholeEverywhere(browser, url, opal, { shots, name });
});

test("a node that dies is offline on the page that is open", async () => {
  if (!rig) throw new Error("no rig");
  const key = await keyOf(rig);
  await as(opal, `/nodes/${key}`, async (page) => {
    await page.locator("#node-state", { hasText: "Idle" }).waitFor();
    await rig?.kill9();
    await page.locator("#node-state", { hasText: "Offline" }).waitFor();
    await page.locator("#node-notes", { hasText: "infernet status" }).waitFor();
  });
});

test("a node is ejected by its name, and let in again by Undo", async () => {
  await as(admin, `/nodes/${nodeKey}`, async (page) => {
    await page.getByRole("button", { name: "Eject…" }).click();
    expect(await page.locator("#confirm button[value=yes]").isDisabled()).toBe(true);
    await confirm(page, "aurora-3");
    const undo = await undoOf(page, "Node ejected");
    await page.locator("#node-state", { hasText: "Ejected" }).waitFor();
    await undo.click();
    await toast(page, "Its key is let in again");
    await page.locator("#node-state", { hasText: /Idle|Offline/ }).waitFor();
  });
});

describe("names, models and devices of strangers", () => {
  let hostile: HostileNode;
  beforeAll(async () => {
    const evil = `<img src=x onerror=alert(1)>"'\u202e</script>`;
    const status = await commandJson<Output<"status">>(stage.executable, coordinator.dataDirectory, ["status"]);
    hostile = await openHostileNode({ url: coordinator.url, coordinator: status.pubkey });
    const token = await createJoinToken(stage.executable, coordinator);
    const gpu = { name: `${evil} GPU`, vram_mib: 1, driver: evil.slice(0, 60) };
    await hostile.join({
      join_token: token,
      name: evil.repeat(2).slice(0, 128),
      region: evil.slice(0, 60),
      device: { os: evil.slice(0, 40), arch: "x", cpu: evil, cores: 1, memory_mib: 1, gpus: [gpu] },
      models: [
        {
          ...{ name: `${evil}${"x".repeat(200)}`.slice(0, 256), context_length: 1, digest: null, loaded: true },
          ...{ quantization: "<b>".repeat(20), demo: false, backend: 0 },
        },
      ],
    });
    hostile.send({ type: "heartbeat", status: "paused", reason: evil, running: 0 });
  });
  afterAll(() => hostile.close());

  test.each([
    ["an admin", "/nodes/:hostile", "node-hostile"],
    ["anybody", "/nodes/:hostile", "node-hostile-public"],
    ["an admin", "/admin/nodes", "admin-nodes"],
  ])("are shown to %s on %s and do nothing", async (who, path, name) => {
    const url = coordinator.url + path.replace(":hostile", hostile.pubkey);
    const ready = async (page: Page) => {
      await page.getByText("<img src=x").first().waitFor();
      expect(await page.locator("main img, main script").count()).toBe(0);
    };
    await expectWholeEverywhere(browser, url, who === "anybody" ? null : admin, { shots, name, ready });
  });
});

test("the admin's other views are whole", async () => {
  for (const [path, name] of [
    ["/admin/nodes/commands", "admin-commands"],
    ["/admin/nodes/tokens", "admin-tokens"],
  ]) {
    await expectWholeEverywhere(browser, coordinator.url + path, admin, { shots, name: name ?? "" });
  }
  await as(admin, "/admin/nodes?state=ejected&q=no-such", (page) => expectWhole(page, `${shots}/admin-nodes-none.png`));
});
