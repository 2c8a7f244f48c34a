// The link between a node and its coordinator breaks while both live on: what runs goes on where it was, once the node is
// back; what takes too long is given up.
import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import type { Output } from "../src/admin/operations.ts";
import { type Client, client } from "./harness/client.ts";
import { type CuttableProxy, startCuttableProxy } from "./harness/cuttable-proxy.ts";
import { type FaultBackend, PLAIN_TEXT } from "./harness/fault-backend.ts";
import { commandJson, type Instance } from "./harness/instance.ts";
import { readChat } from "./harness/sse.ts";
import { backendsToml, openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

let stage: Stage;
let coordinator: Instance;
let proxy: CuttableProxy;
let backend: FaultBackend;
let api: Client;

async function start(graceS: number): Promise<void> {
  const started = await stage.coordinator(`[coordinator]\nregistration = "open"\nresume_grace_s = ${graceS}\n`);
  coordinator = started.coordinator;
  proxy = startCuttableProxy(coordinator.url);
  stage.onClose(() => proxy.close());
  backend = stage.backend();
  api = client(() => coordinator.url, started.key, backend.model);
  const { pubkey } = await commandJson<Output<"status">>(stage.executable, coordinator.dataDirectory, ["status"]);
  const config = `[node]\ncoordinators = [{ url = "${proxy.url}", pubkey = "${pubkey}" }]\n${backendsToml([backend.url])}`;
  await stage.start({ mode: "node", config });
  await stage.served(coordinator, backend.model);
}
beforeEach(async () => {
  stage = await openStage({ charges: true });
});
afterEach(() => stage.close());
afterAll(() => stage.close());

test("a chat and a job go on over the next link: nothing is lost, nothing comes twice, no work is done twice", async () => {
  await start(60);
  const tokens = Array.from({ length: 100 }, (_, n) => `word${n} `);
  const cuts = [20, 40, 60];
  backend.script({ tokens, holdAfter: 80, holdAgainAfter: cuts });
  const heldAt = (sent: number) =>
    backend.requests.length === 2 && backend.requests.every((one) => one.state === "held" && one.sent === sent);
  let shown = "";
  const chat = api.chat({ stream: true }).then((response) =>
    readChat(response, (text) => {
      shown = text;
    }),
  );
  const job = await api.submitted();
  // What has not begun at the coordinator is given away at once, and begins anew.
  await api.jobIn(job, ["running"]);
  for (const cut of cuts) {
    await waitFor(`word ${cut} to be next`, () => heldAt(cut) && shown === tokens.slice(0, cut).join(""), {
      detail: () => JSON.stringify(backend.requests.map(({ state, sent }) => [state, sent])) + coordinator.output(),
    });
    const links = proxy.links();
    proxy.cut();
    // The backend works on while there is no link.
    backend.release();
    await waitFor("the backend to have gone on", () => heldAt(cut + 20));
    proxy.mend();
    await waitFor("the node to dial again", () => proxy.links() > links);
  }
  backend.release();
  const transcript = await chat;
  expect(transcript).toMatchObject({ text: tokens.join(""), done: true, error: null });
  await api.jobIn(job, ["completed"]);
  const read = await api.readJob(job);
  expect(read).toMatchObject({ text: tokens.join(""), done: true });
  expect(new Set(read.ids).size).toBe(read.ids.length);
  expect((await api.job(job)).attempts.map(({ outcome }) => outcome)).toEqual(["completed"]);
  expect(backend.requests.length).toBe(2);
});

test("an answer that ended while the link was down is delivered after", async () => {
  await start(60);
  backend.script({ holdAfter: 2 });
  let shown = "";
  const chat = api.chat({ stream: true }).then((response) =>
    readChat(response, (text) => {
      shown = text;
    }),
  );
  // At the client: what has not begun there is given away at once, and begins anew.
  await waitFor("the answer to be held", () => shown === "Hello from");
  proxy.cut();
  backend.release();
  await waitFor("the backend to finish", () => backend.requests[0]?.state === "finished");
  proxy.mend();
  expect(await chat).toMatchObject({ text: PLAIN_TEXT, done: true, error: null });
});

test("a node that does not come back within the grace is given up, and lets its backend go when it does", async () => {
  await start(1);
  backend.script({ holdAfter: 2 });
  let shown = "";
  const chat = api.chat({ stream: true }).then((response) =>
    readChat(response, (text) => {
      shown = text;
    }),
  );
  // At the client: what has not begun there is given away at once, and begins anew.
  await waitFor("the answer to be held", () => shown === "Hello from");
  proxy.cut();
  expect(await chat).toMatchObject({ text: "Hello from", done: false, error: { code: "node_lost" } });
  proxy.mend();
  await waitFor("the backend to be let go of", () => backend.requests[0]?.state === "aborted");
  backend.script({ holdAfter: null });
  await stage.served(coordinator, backend.model);
  expect((await api.readChat()).text).toBe(PLAIN_TEXT);
});
