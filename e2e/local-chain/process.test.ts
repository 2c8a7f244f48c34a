// The local chain as a process of its own, moved and broken over RPC.
import { afterAll, beforeAll, expect, test } from "bun:test";
import path from "node:path";
import { parseJson, stringify } from "./json.ts";
import { type ChainStage, chainStage } from "./stage.ts";

let chain: Bun.Subprocess<"ignore", "pipe", "inherit">;
let on: ChainStage;
beforeAll(async () => {
  const main = path.join(import.meta.dir, "main.ts");
  chain = Bun.spawn([process.execPath, main, "--port", "0"], { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  for await (const text of chain.stdout.pipeThrough(new TextDecoderStream())) {
    on = await chainStage(text.trim());
    break;
  }
});
afterAll(async () => {
  chain.kill();
  await chain.exited;
});

test("slots go forward when told to", async () => {
  const { absoluteSlot } = await on.rpc.getEpochInfo({ commitment: "processed" }).send();
  await on.advance(40);
  expect((await on.rpc.getEpochInfo({ commitment: "processed" }).send()).absoluteSlot).toBe(absoluteSlot + 40n);
});

test("a fork takes a payment back", async () => {
  const account = await on.ata(on.admin.address);
  const before = await on.control("local_snapshot");
  await on.mintTo(account, 18_446_744_073_709_551_615n);
  expect(await on.balance(account)).toBe(18_446_744_073_709_551_615n);
  await on.control("local_restore", before);
  expect(await on.balance(account)).toBe(0n);
});

test("faults strike as often as asked, and are cleared", async () => {
  await on.control("local_fault", { fault: "http503", method: "getSlot", times: 5 });
  const getSlot = () => on.rpc.getSlot().send();
  expect((await getSlot().catch((fault) => fault)).context.statusCode).toBe(503);
  await on.control("local_fault", null);
  expect(await getSlot()).toBeGreaterThan(0n);
});

test("what it does not understand is an error, and the chain goes on", async () => {
  for (const method of ["local_advance", "local_restore", "local_nothing", "constructor"] as const) {
    const refused = await on.control(method as `local_${string}`, "no").catch((fault) => fault);
    expect(refused).toBeInstanceOf(Error);
  }
  expect(await on.control("local_mode", "instant")).toBe("instant");
});

test("u64 go over the wire exactly", () => {
  const value = { most: 18_446_744_073_709_551_615n, small: 7, text: "9007199254740993", list: [-1.5, null] };
  expect(parseJson(stringify(value))).toEqual(value);
});
