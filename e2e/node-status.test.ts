// What `infernet status` tells a node's operator when the node is not working: the coordinator's own words.
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Output } from "../src/admin/operations.ts";
import { client } from "./harness/client.ts";
import { command, commandJson, createJoinToken, type Instance, waitForModel } from "./harness/instance.ts";
import { backendsToml, openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

let stage: Stage;
let coordinator: Instance;
let key: string;
let backendUrl: string;
beforeAll(async () => {
  stage = await openStage();
  backendUrl = stage.backend().url;
  ({ coordinator, key } = await stage.coordinator("[coordinator]\nprice_input_min = 10\nprice_input_max = 20\n"));
});
afterAll(() => stage.close());

const statusOf = ({ dataDirectory }: Instance) =>
  commandJson<Output<"status">>(stage.executable, dataDirectory, ["status"]);
/** The one coordinator of a node, once it is in this state and has said something. */
const coordinatorOf = (node: Instance, state: string) =>
  waitFor(`${state} in the node's status`, async () => {
    const [only] = (await statusOf(node)).coordinators;
    return only?.state === state && only;
  });
const startNode = (config: string) => stage.start({ mode: "node", config: config + backendsToml([backendUrl]) });
const pinned = async () =>
  `[[node.coordinators]]\nurl = "${coordinator.url}"\npubkey = "${(await statusOf(coordinator)).pubkey}"\n`;

test("a token that was used is named as the reason", async () => {
  const token = await createJoinToken(stage.executable, coordinator);
  const node = `[node]\nprice_input = 10\njoin_token = "${token}"\n`;
  expect(await coordinatorOf(await startNode(node), "connected")).toMatchObject({ error: null });
  const second = await startNode(node);
  expect((await coordinatorOf(second, "refused")).error).toStartWith("join_token_used: the join token was used");
  const { stdout } = await command(stage.executable, second.dataDirectory, ["status"]);
  expect(stdout).toContain(`${coordinator.url}: refused (join_token_used: the join token was used`);
});

test("a node that waits for approval says so, and one that is ejected", async () => {
  const node = await startNode(await pinned());
  expect((await coordinatorOf(node, "pending")).error).toContain("has to approve this node");
  const { pubkey } = await statusOf(node);
  await commandJson(stage.executable, coordinator.dataDirectory, ["nodes", "eject", pubkey]);
  expect((await coordinatorOf(node, "refused")).error).toStartWith("key_ejected: ");
});

test("a coordinator with another key than the pinned one is named with both", async () => {
  const wrong = "ab".repeat(32);
  const node = await startNode((await pinned()).replace(/pubkey = "\w+"/, `pubkey = "${wrong}"`));
  expect((await coordinatorOf(node, "refused")).error).toContain(wrong);
});

test("prices out of the coordinator's bounds: not offered, and said at both ends", async () => {
  const token = await createJoinToken(stage.executable, coordinator);
  const reason = "price_input is 21, and the most here is 20";
  const node = await startNode(`[node]\nname = "dear"\nprice_input = 21\njoin_token = "${token}"\n`);
  const { error } = await coordinatorOf(node, "connected");
  expect(error).toContain(reason);
  const { nodes } = await commandJson<Output<"listNodes">>(stage.executable, coordinator.dataDirectory, [
    "nodes",
    "list",
  ]);
  expect(nodes.find(({ name }) => name === "dear")).toMatchObject({ online: true, models: [] });
  expect(coordinator.output().split(reason)).toHaveLength(2);
});

test("a node's own metrics tell of its jobs, its backends and its link", async () => {
  const token = await createJoinToken(stage.executable, coordinator);
  const node = await startNode(`[node]\nprice_input = 10\njoin_token = "${token}"\n`);
  await coordinatorOf(node, "connected");
  const api = client(() => coordinator.url, key, await waitForModel(stage.executable, coordinator));
  const metrics = async () => (await fetch(`${node.url}/metrics`)).text();
  await waitFor("an answer by this node", async () => {
    await api.readChat();
    return /attempts_total\{outcome="completed"\} [1-9]/.test(await metrics());
  });
  const text = await metrics();
  expect(text).toMatch(/infernet_node_tokens_total\{direction="output"\} [1-9]/);
  expect(text).toContain(`infernet_node_backend_up{backend="0",kind="openai",url="${backendUrl}"} 1`);
  expect(text).toContain(`infernet_node_link_state{coordinator="${coordinator.url}",state="connected"} 1`);
});
