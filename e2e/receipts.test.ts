// Receipts, with real processes: what is charged is signed, the node vouches for it, and anybody can check both on
// another machine, from a file alone.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { command, commandJson, type Instance } from "./harness/instance.ts";
import { type Books, booksOf } from "./harness/money.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const BILLING = '[coordinator]\nprice_input_max = 1000000\nprice_output_max = 2000000\n[billing]\nmode = "credits"\n';
const PRICES = "[node]\nprobe = false\nprice_input = 1000000\nprice_output = 2000000";
const MODEL = "scripted-model";
const REQUEST = JSON.stringify({
  model: MODEL,
  max_tokens: 64,
  messages: [{ role: "user", content: "Wer da? grüße 🌍" }],
});

type Verified = {
  receipts: number;
  countersigned: number;
  coordinators: string[];
  gross: string;
  missing: string;
};
type Listed = { receipts: { attempt: string; standing: string; decoded: { gross: string; seq: string } }[] };

let stage: Stage;
let coordinator: Instance;
let node: Instance;
let key: string;
let books: Books;
const jobs: string[] = [];

async function chat(): Promise<{ job: string; text: string }> {
  const response = await fetch(`${coordinator.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}` },
    body: REQUEST,
  });
  if (response.status !== 200) throw new Error(await response.text());
  const answer = (await response.json()) as { choices: { message: { content: string } }[] };
  const job = response.headers.get("x-infernet-job") ?? "";
  jobs.push(job);
  return { job, text: answer.choices[0]?.message.content ?? "" };
}
const countersigned = (count: number) =>
  waitFor(`${count} receipts to be countersigned`, async () => {
    const { receipts } = await commandJson<Listed>(stage.executable, coordinator.dataDirectory, ["receipts", "list"]);
    return receipts.filter(({ standing }) => standing === "countersigned").length === count;
  });
/** On another machine: an empty directory, and nobody to ask. */
const elsewhere = (args: string[]) =>
  command(stage.executable, stage.directory("elsewhere"), ["receipts", "verify", ...args]);
async function verified(args: string[]): Promise<Verified> {
  const result = await elsewhere([...args, "--json"]);
  expect([result.code, result.stderr]).toEqual([0, ""]);
  return JSON.parse(result.stdout) as Verified;
}

beforeAll(async () => {
  stage = await openStage();
  ({ coordinator, key } = await stage.coordinator(BILLING));
  const backend = stage.backend();
  node = await stage.node(coordinator, [backend.url], PRICES);
  await stage.served(coordinator, MODEL);
  books = await booksOf(coordinator.dataDirectory);
  stage.onClose(() => books.close());
  await books.grant(10_000_000);
});
afterAll(() => stage.close());

describe("receipts", () => {
  test("a chat's receipt is what its client pays, and its request and answer are in it", async () => {
    const { job, text } = await chat();
    const headers = { authorization: `Bearer ${key}` };
    const response = await fetch(`${coordinator.url}/api/v1/jobs/${job}/receipt`, { headers });
    expect(response.status).toBe(200);
    const files = stage.directory("client");
    const [receipt, request, output] = ["receipt.json", "request.json", "output.txt"].map((name) => join(files, name));
    writeFileSync(receipt!, await response.text());
    writeFileSync(request!, REQUEST);
    writeFileSync(output!, text);
    const done = await verified([receipt!, "--request", request!, "--output", output!]);
    expect(done).toMatchObject({ receipts: 1, request_matched: 1, output_matched: 1 });
    expect(done.gross).toBe(String((await books.charged()).get(job)));
    // A guess that is off by a sign is found out.
    writeFileSync(request!, REQUEST.replace("grüße", "gruesse"));
    const wrong = await elsewhere([receipt!, "--request", request!]);
    expect([wrong.code, wrong.stdout]).toEqual([1, ""]);
    expect(wrong.stderr).toContain("request_hash at byte 315");
  });

  test("the node vouches for its chain, and an export proves it on another machine", async () => {
    await Promise.all([chat(), chat(), chat()]);
    await countersigned(4);
    const file = join(stage.directory("export"), "receipts.jsonl");
    const exported = await command(stage.executable, coordinator.dataDirectory, ["receipts", "export", file]);
    expect(exported.code).toBe(0);
    const sums = await books.receipts();
    const gross = String(sums.reduce((sum, one) => sum + one.gross, 0));
    const { coordinators, ...done } = await verified([file]);
    expect(done).toMatchObject({ receipts: 4, countersigned: 4, missing: "0", gross });
    expect((await verified([file, "--coordinator", coordinators[0] ?? ""])).receipts).toBe(4);
    const lines = readFileSync(file, "utf8").trimEnd().split("\n");
    writeFileSync(file, `${lines.toSpliced(-2, 1).join("\n")}\n`);
    const short = await elsewhere([file]);
    expect([short.code, short.stderr]).toEqual([1, expect.stringContaining("1 receipt is missing")]);
  });

  test("the node has its own, whether it runs or not, and they verify as they are", async () => {
    await countersigned(4);
    const listed = () => commandJson<Listed>(stage.executable, node.dataDirectory, ["receipts", "list"]);
    expect((await listed()).receipts.map(({ standing }) => standing)).toEqual(Array(4).fill("countersigned"));
    await node.stop();
    node = await stage.restart(node);
    await stage.served(coordinator, MODEL);
    await chat();
    await countersigned(5);
    await node.stop();
    const { receipts } = await listed();
    expect(receipts.map(({ decoded }) => decoded.seq).toSorted()).toEqual(["1", "2", "3", "4", "5"]);
    const shown = await command(stage.executable, node.dataDirectory, [
      "receipts",
      "show",
      jobs.at(-1) ?? "",
      "--json",
    ]);
    const one = join(stage.directory("shown"), "one.json");
    writeFileSync(one, shown.stdout);
    expect(await verified([one])).toMatchObject({ receipts: 1 });
    const kept = join(node.dataDirectory, "receipts", `${(await verified([one])).coordinators[0]}.jsonl`);
    expect(await verified([kept])).toMatchObject({ receipts: 5, countersigned: 5, missing: "0" });
  });
});
