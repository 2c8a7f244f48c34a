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
    await waitFor("the key to be refused at the second", () => answers(401), { deadlineMs: 10_000 });
  });

  test("without its server an instance is not ready, and answers chats all the same", async () => {
    const api = apiOf(first, await createKey(stage.executable, first));
    await server.kill();
    expect(await api.readChat()).toMatchObject({ text: PLAIN_TEXT, done: true, error: null });
    await waitFor("it not to be ready", async () => (await fetch(`${first.url}/readyz`)).status === 503);
    expect((await api.submit()).status).toBe(503);
  });
});
