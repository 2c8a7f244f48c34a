// The database on a libSQL server: the real one, behind two coordinators that share it and their keys.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import type { Output } from "../src/admin/operations.ts";
import { sqldPath, type TestServer, testServer } from "../src/db/test-server.ts";
import { type Client, client } from "./harness/client.ts";
import { PLAIN_TEXT } from "./harness/fault-backend.ts";
import { commandJson, createKey, type Instance } from "./harness/instance.ts";
import { backendsToml, openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

describe.skipIf(sqldPath === null)("with its database on a libSQL server", () => {
  let stage: Stage;
  let server: TestServer;
  let first: Instance;
  let second: Instance;
  let model: string;
  const apiOf = (instance: Instance, key: string): Client => client(() => instance.url, key, model);

  beforeAll(async () => {
    stage = await openStage();
    server = await testServer(sqldPath ?? "");
    stage.onClose(() => server[Symbol.asyncDispose]());
    const config = `[database]\nurl = "${server.url}"\n[node]\nprobe = false\n${backendsToml([stage.backend().url])}`;
    first = await stage.start({ mode: "both", config });
    const dataDirectory = stage.directory("second");
    for (const name of ["coordinator.key", "master.key"]) {
      copyFileSync(join(first.dataDirectory, name), join(dataDirectory, name));
    }
    second = await stage.start({ mode: "both", config, dataDirectory });
    const models = await waitFor("a model on each", async () => {
      const [mine, other] = await Promise.all(
        [first, second].map(({ dataDirectory: dir }) =>
          commandJson<Output<"listModels">>(stage.executable, dir, ["models", "list"]),
        ),
      );
      return other?.models.length && mine?.models.length ? mine.models : undefined;
    });
    model = models[0]?.name ?? "";
  });
  afterAll(() => stage.close());

  test("chats and jobs are answered, and nothing of it is in the data directory", async () => {
    const api = apiOf(first, await createKey(stage.executable, first));
    expect(await api.readChat()).toMatchObject({ text: PLAIN_TEXT, done: true, error: null });
    const id = await api.submitted();
    expect(await api.jobIn(id, ["completed", "failed"])).toMatchObject({ status: "completed", kind: "async" });
    expect(existsSync(join(first.dataDirectory, "infernet.db"))).toBe(false);
    // The other coordinator knows the job that has ended.
    expect(await apiOf(second, await createKey(stage.executable, second)).job(id)).toMatchObject({
      status: "completed",
    });
  });

  test("a key made at one coordinator works at the other, until it is revoked at the first", async () => {
    const { id, key } = await commandJson<Output<"createKey">>(stage.executable, first.dataDirectory, [
      "keys",
      "create",
      "shared",
    ]);
    const api = apiOf(second, key);
    const answers = async (status: number) => (await api.get("/v1/models")).status === status;
    await waitFor("the key to be known at the second", () => answers(200));
    expect(await api.readChat()).toMatchObject({ text: PLAIN_TEXT, done: true });
    await commandJson(stage.executable, first.dataDirectory, ["keys", "revoke", id]);
    expect((await apiOf(first, key).get("/v1/models")).status).toBe(401);
    await waitFor("the key to be refused at the second", () => answers(401));
  });

  test("a node that is linked to one is online at both, is counted once, and is reached by a command from either", async () => {
    const nodesAt = async (instance: Instance) =>
      (await commandJson<Output<"listNodes">>(stage.executable, instance.dataDirectory, ["nodes", "list"])).nodes;
    const node = await stage.node(
      first,
      [stage.backend({ model: "of-a-node" }).url],
      '[node]\nname = "dune"\nallow_commands = ["drain"]',
    );
    const seen = await waitFor("the node at the second", async () =>
      (await nodesAt(second)).find(({ name, online }) => name === "dune" && online),
    );
    expect(seen).toMatchObject({ models: ["of-a-node"], slots: expect.any(Number) });
    const page = async (path: string) => (await fetch(`${second.url}${path}`)).text();
    expect(await page(`/nodes/${seen.pubkey}`)).toContain("linked to another coordinator of this network");
    expect(await page("/nodes")).toContain("dune");
    // The own nodes of both, and this one.
    await waitFor("three nodes in the figures of each", async () => {
      const homes = await Promise.all([first, second].map(async ({ url }) => (await fetch(url)).text()));
      return homes.every((html) => /Online<[\s\S]{0,200}?>\s*3\b/.test(html));
    });
    await commandJson(stage.executable, second.dataDirectory, ["nodes", "command", seen.pubkey, "drain"]);
    await waitFor("the drain to show at the second", async () =>
      (await nodesAt(second)).find(({ pubkey, standing }) => pubkey === seen.pubkey && standing?.status === "draining"),
    );
    await node.kill9();
    await waitFor("it to be offline at the second", async () =>
      (await nodesAt(second)).find(({ pubkey, online }) => pubkey === seen.pubkey && !online),
    );
  });

  test("a coordinator that is killed takes its nodes with it, but not those that hold a link to each", async () => {
    const pubkey = (await commandJson<Output<"status">>(stage.executable, first.dataDirectory, ["status"])).pubkey;
    const coordinators = [first, second].map(({ url }) => `{ url = "${url}", pubkey = "${pubkey}" }`).join(", ");
    const config = `[node]\nname = "both"\ncoordinators = [${coordinators}]`;
    await stage.node(first, [stage.backend({ model: "of-both" }).url], config);
    const at = async (instance: Instance, model: string) =>
      (
        await commandJson<Output<"listModels">>(stage.executable, instance.dataDirectory, ["models", "list"])
      ).models.some(({ name }) => name === model);
    await waitFor("it to be linked to both", async () => (await at(first, "of-both")) && (await at(second, "of-both")));
    const nodes = async () =>
      (await commandJson<Output<"listNodes">>(stage.executable, second.dataDirectory, ["nodes", "list"])).nodes;
    const own = (await commandJson<Output<"listNodes">>(stage.executable, first.dataDirectory, ["nodes", "list"]))
      .nodes;
    expect(own.filter(({ online }) => online)).toHaveLength(3);
    await first.kill9();
    await waitFor(
      "the first's own node to be offline",
      async () => (await nodes()).filter((one) => one.online).length === 2,
    );
    expect(await nodes()).toContainEqual(expect.objectContaining({ name: "both", online: true }));
    first = await stage.restart(first);
    await waitFor("all to be online again", async () => (await nodes()).filter((one) => one.online).length === 3);
  });

  test("without its server an instance is not ready, and answers chats all the same", async () => {
    const api = apiOf(first, await createKey(stage.executable, first));
    await server.kill();
    expect(await api.readChat()).toMatchObject({ text: PLAIN_TEXT, done: true, error: null });
    await waitFor("it not to be ready", async () => (await fetch(`${first.url}/readyz`)).status === 503);
    expect((await api.submit()).status).toBe(503);
  });
});
