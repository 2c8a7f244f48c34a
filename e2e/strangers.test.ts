// Strangers: clocks that are wrong, a coordinator that is an impostor, and a storm of bad links while right requests go on.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { Output } from "../src/admin/operations.ts";
import { LINK_PATH } from "../src/daemon/dial-websocket.ts";
import { PLAIN_TEXT } from "./harness/fault-backend.ts";
import { type HostileNode, type HostileOptions, openHostileNode, upgradeHeader } from "./harness/hostile-node.ts";
import { decodedToken, encodedToken, type House, openHouse } from "./harness/house.ts";
import { startImpostor } from "./harness/impostor-coordinator.ts";
import { commandJson, createJoinToken } from "./harness/instance.ts";
import { mib, residentBytes } from "./harness/memory.ts";
import { backendsToml, openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

const newSecretKey = () => crypto.getRandomValues(new Uint8Array(32));
const house = (config: string) => openHouse(stage, config);

describe("a clock that is two minutes off", () => {
  let here: House;
  beforeAll(async () => {
    here = await house("");
  });

  test.each([
    [-120_000, /(119|12\d) s behind/],
    [120_000, /(11\d|12[01]) s ahead/],
  ])("%d ms: refused in words that say so", async (clockSkewMs, words) => {
    const options: HostileOptions = { ...here.target, clockSkewMs };
    const authHeader = upgradeHeader({ ...options, secretKey: newSecretKey() });
    const headers = { "x-infernet-auth": authHeader, upgrade: "websocket" };
    const refused = await fetch(`${here.target.url}${LINK_PATH}`, { headers });
    expect(refused.status).toBe(401);
    const { code, error } = (await refused.json()) as { code: string; error: string };
    expect(code).toBe("clock_skew");
    expect(error).toMatch(words);
    expect(error).toContain("check the clock");
  });

  test.each([
    ["behind", 120_000],
    ["ahead of", -120_000],
  ])("doctor says that this machine is %s its coordinator", async (side, offMs) => {
    // A coordinator's health as it would look from a machine whose clock is off: only its Date is wrong.
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => new Response("ok\n", { headers: { date: new Date(Date.now() + offMs).toUTCString() } }),
    });
    stage.onClose(() => server.stop(true));
    const { coordinator } = here.target;
    const url = `http://127.0.0.1:${server.port}`;
    const joined = encodedToken({ ...decodedToken(await createJoinToken(stage.executable, here.coordinator)), url });
    for (const config of [
      `[node]\ncoordinators = [{ url = "${url}", pubkey = "${coordinator}" }]\n`,
      `[node]\njoin_token = "${joined}"\n`,
    ]) {
      const directory = stage.directory("doctor");
      await Bun.write(join(directory, "config.toml"), `mode = "node"\n${config}probe = false\n`);
      const { checks } = await doctor(directory);
      const clock = checks.find(({ name }) => name === "clock");
      expect(clock).toMatchObject({ state: "bad" });
      // A Date has whole seconds, and the answer takes its time.
      expect(clock?.message).toMatch(new RegExp(`1[12]\\d s ${side}`));
      expect(clock?.mend).toContain("NTP");
    }
  });
});

type Check = { name: string; state: string; message: string; mend?: string };
async function doctor(dataDirectory: string): Promise<{ code: number; checks: Check[] }> {
  const child = Bun.spawn([stage.executable, "--data-dir", dataDirectory, "doctor", "--json"], {
    cwd: dataDirectory,
    env: { PATH: process.env.PATH ?? "", HOME: dataDirectory },
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [out, code] = await Promise.all([child.stdout.text(), child.exited]);
  return { code, ...(JSON.parse(out) as { checks: Check[] }) };
}

test("an impostor is not told the join token; the log and status say why", async () => {
  const here = await house("");
  const impostor = startImpostor(here.target.coordinator);
  stage.onClose(() => impostor.close());
  const mine = decodedToken(await createJoinToken(stage.executable, here.coordinator));
  const token = encodedToken({ ...mine, url: impostor.url });
  const backend = stage.backend();
  const node = await stage.start({
    mode: "node",
    config: `[node]\njoin_token = "${token}"\n${backendsToml([backend.url])}`,
  });
  await node.waitForOutput(/does not hold the key/);
  await waitFor("it to hang up and dial again", () => impostor.abandoned() > 1);
  expect(new Set(impostor.received.map(({ type }) => type))).toEqual(new Set(["hello"]));
  expect(JSON.stringify(impostor.received)).not.toContain("infjoin_");
  expect(node.output()).not.toContain(token);
  const status = await commandJson<Output<"status">>(stage.executable, node.dataDirectory, ["status"]);
  expect(status.coordinators).toMatchObject([{ url: impostor.url, state: "connecting" }]);
  expect(status.coordinators[0]?.error).toContain("does not hold the key");
  const text = await stage.run(node, ["status"]);
  expect(text.stdout).toContain("does not hold the key");
  // The token is as good as before.
  const honest = await openHostileNode(here.target);
  expect(await honest.join({ join_token: encodedToken(mine) })).toMatchObject({ status: "approved" });
  honest.close();
});

test("through a storm of bad links every right request is answered, and the coordinator stays small", async () => {
  const here = await house('[coordinator]\nregistration = "open"\n');
  const backend = stage.backend();
  await stage.node(here.coordinator, [backend.url]);
  await stage.served(here.coordinator, backend.model);
  const before = mib(residentBytes(here.coordinator.pid));
  let storming = true;
  let links = 0;
  const bad: ((node: HostileNode) => void | Promise<void>)[] = [
    (node) => node.sendRaw("garbage"),
    (node) => node.sendRaw(new Uint8Array(1000)),
    (node) => node.sendRaw(" ".repeat(5 * 1024 * 1024)),
    (node) => node.sendRaw("[".repeat(1024 * 1024)),
    (node) => node.sendRaw(`[${Array(4000).fill('{"type":"hello","version":"x","nonce":"0"}').join(",")}]`),
    async (node) => node.send(node.readyFrame(await node.hello(), { sig: "00".repeat(64) })),
    async (node) => {
      await node.join({ slots: 0 });
      const attempt = "01890000-0000-7000-8000-000000000000.1";
      for (let offset = 0; offset < 50; offset++)
        node.send({ type: "delta", attempt, offset, deltas: [{ content: "x".repeat(10_000) }] });
      node.sendRaw("]");
    },
  ];
  const storm = async (first: number) => {
    for (let turn = first; storming; turn++) {
      const node = await openHostileNode(here.target);
      await bad[turn % bad.length]?.(node);
      await node.closed();
      links++;
    }
  };
  const storms = [0, 2, 4].map(storm);
  try {
    for (let count = 0; count < 100 || links < 60; count++) {
      expect(await here.api.readChat({ model: backend.model })).toMatchObject({ text: PLAIN_TEXT, done: true });
    }
  } finally {
    storming = false;
  }
  await Promise.all(storms);
  const after = mib(residentBytes(here.coordinator.pid));
  console.log(`${links} bad links; resident MiB: ${before} before, ${after} after`);
  expect(after - before).toBeLessThan(128);
  expect(here.coordinator.running()).toBe(true);
  expect((await fetch(`${here.coordinator.url}/readyz`)).status).toBe(200);
});
