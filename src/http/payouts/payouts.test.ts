import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Identity } from "../../identity/keys.ts";
import { type CoordinatorStage, coordinatorStage, PROVIDER, STRANGER } from "../testing/coordinator-stage.ts";

let on: CoordinatorStage;
beforeAll(async () => {
  on = await coordinatorStage();
});
afterAll(() => on[Symbol.asyncDispose]());

async function ask(path: string, body: object, as: Identity = PROVIDER) {
  const text = JSON.stringify(body);
  const full = `/api/v1/node/${path}`;
  const headers = on.sign(as, "POST", full, text);
  const response = await fetch(on.server.url + full, { method: "POST", body: text, headers });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

test("a node that earned nothing is told so, and that nothing is paid out on a chain", async () => {
  const { status, json } = await ask("earnings", {});
  const total = { unpaid: 0, in_payout: 0, stuck: 0, paid: 0 };
  expect([status, json.data]).toEqual([
    200,
    expect.objectContaining({ billing: "off", on_chain: false, total, rows: [] }),
  ]);
  expect((await ask("payouts/history", {})).json.data).toEqual({ payouts: [] });
});

test("without a chain there is nothing to prepare or to agree to", async () => {
  const wallet = "4Nd1mBQtrMJVYVfKf2PJy9NZUZdTAsp7D4xWLs4gDB4T";
  expect(await ask("payouts/prepare", { wallet })).toMatchObject({ status: 409, json: { code: "not_on_chain" } });
  const id = "00".repeat(16);
  const agreed = await ask(`payouts/${id}/acknowledge`, { sig: "00".repeat(64) });
  expect(agreed).toMatchObject({ status: 409, json: { code: "not_on_chain" } });
});

test("a payout that is not the caller's is not there for it", async () => {
  const id = "00".repeat(16);
  for (const path of [`payouts/${id}/status`, `payouts/${id}/receipts`])
    expect(await ask(path, {})).toMatchObject({ status: 404, json: { code: "payout_unknown" } });
});

test("what does not fit is refused, and so is a stranger", async () => {
  expect(await ask("payouts/prepare", { wallet: "0OIl" })).toMatchObject({
    status: 400,
    json: { code: "invalid_value" },
  });
  expect(await ask("earnings", { days: 0 })).toMatchObject({ status: 400 });
  expect((await ask("earnings", {}, STRANGER)).status).toBe(401);
});
