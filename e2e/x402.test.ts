// Prepaid chats with real processes and real programs: an agent without an account pays with its request.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { SYSTEM_ACCOUNTS } from "../src/ledger/ledger.ts";
import { headerOf, type PaymentRequired, type SettlementResponse } from "../src/protocol/x402.ts";
import { type Payer, partlySigned, payloadOf, paymentInstructions } from "../src/settlement/testing/x402-client.ts";
import { faultsOf } from "./harness/money.ts";
import { MODEL, openPaidWorld, type PaidWorld, TOKEN } from "./harness/paid-world.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

let stage: Stage;
let world: PaidWorld;
let payer: Payer;
beforeAll(async () => {
  stage = await openStage();
  world = await openPaidWorld(stage, 'x402 = "confirmed"\nx402_minimum = 100\n');
  const owner = await world.on.wallet(0n);
  payer = { owner, source: await world.on.ata(owner.address) };
  await world.on.mintTo(payer.source, 1_000_000n);
});
afterAll(() => stage.close());

const chat = { model: MODEL, messages: [{ role: "user", content: "Hello?" }], max_tokens: 10 };
const PRICE = BigInt(10 * TOKEN);

const decoded = <T>(header: string | null): T => JSON.parse(Buffer.from(header ?? "", "base64").toString()) as T;

function send(body: object, payment?: string): Promise<Response> {
  return fetch(`${world.coordinator.url}/x402/v1/chat/completions`, {
    method: "POST",
    body: JSON.stringify(body),
    ...(payment === undefined ? {} : { headers: { "payment-signature": payment } }),
  });
}

async function offerFor(body: object): Promise<PaymentRequired> {
  const response = await send(body);
  expect(response.status).toBe(402);
  return decoded<PaymentRequired>(response.headers.get("payment-required"));
}

async function paymentFor(body: object): Promise<string> {
  const [wanted] = (await offerFor(body)).accepts;
  if (!wanted) throw new Error("no way to pay");
  const { value: lifetime } = await world.on.rpc.getLatestBlockhash({ commitment: "confirmed" }).send();
  const feePayer = wanted.extra.feePayer as Parameters<typeof partlySigned>[0];
  const instructions = paymentInstructions(payer, wanted, world.treasuryAccount);
  return Buffer.from(JSON.stringify(payloadOf(wanted, await partlySigned(feePayer, instructions, lifetime)))).toString(
    "base64",
  );
}
const settlementOf = (response: Response) => decoded<SettlementResponse>(response.headers.get("payment-response"));
const paidIn = () => world.on.balance(world.treasuryAccount);

test("without a payment the price and the way to pay are told", async () => {
  const offer = await offerFor(chat);
  expect(offer).toMatchObject({
    x402Version: 2,
    resource: { url: `${world.coordinator.url}/x402/v1/chat/completions` },
  });
  expect(offer.accepts).toEqual([
    {
      scheme: "exact",
      network: `solana:${world.chain.genesisHash.slice(0, 32)}`,
      amount: `${PRICE}`,
      asset: world.on.mint,
      payTo: expect.any(String),
      maxTimeoutSeconds: 60,
      extra: { feePayer: world.settlement },
    },
  ]);
  const unknown = await send({ ...chat, model: "nobody-has-it" });
  expect(unknown.status).toBe(404);
  const broken = await send(chat, headerOf({ success: false } as never));
  expect(broken.status).toBe(400);
});

test("a payment is taken, the chat answered, the books right, and the same payment buys nothing more", async () => {
  const before = await paidIn();
  const payment = await paymentFor(chat);
  const response = await send(chat, payment);
  expect(response.status).toBe(200);
  const answer = (await response.json()) as { choices: { message: { content: string } }[] };
  expect(answer.choices[0]?.message.content).not.toBe("");
  expect(settlementOf(response)).toMatchObject({ success: true, payer: payer.owner.address, amount: `${PRICE}` });
  expect(await paidIn()).toBe(before + PRICE);
  const again = await send(chat, payment);
  expect([again.status, settlementOf(again).errorReason]).toEqual([402, "duplicate_settlement"]);
  await world.books.settled();
  expect(await paidIn()).toBe(before + PRICE);
  expect((await world.books.receipts()).length).toBe(1);
});

test("a stream is paid for in the same way", async () => {
  const streamed = { ...chat, stream: true };
  const response = await send(streamed, await paymentFor(streamed));
  expect(response.status).toBe(200);
  expect(settlementOf(response).success).toBe(true);
  expect(await response.text()).toContain("data: [DONE]");
});

test("of many requests at once with one payment one is answered", async () => {
  const before = await paidIn();
  const payment = await paymentFor(chat);
  const responses = await Promise.all(Array.from({ length: 20 }, () => send(chat, payment)));
  const statuses = responses.map(({ status }) => status).sort();
  expect(statuses).toEqual([200, ...Array(19).fill(402)]);
  expect(await paidIn()).toBe(before + PRICE);
});

test("killed between the payment and the answer, the same request is answered by the next process", async () => {
  const before = await paidIn();
  const payment = await paymentFor(chat);
  world.backend.script({ holdAfter: 0 });
  const lost = send(chat, payment).catch((error: unknown) => error);
  await waitFor("the chat to be under way", () => world.backend.open() === 1);
  await world.coordinator.kill9();
  await lost;
  world.backend.release();
  world.backend.script({ holdAfter: null });
  world.coordinator = await stage.restart(world.coordinator);
  await stage.served(world.coordinator, MODEL);
  const other = await send({ ...chat, max_tokens: 9 }, payment);
  expect(settlementOf(other).errorReason).toBe("payment_for_other_request");
  const response = await send(chat, payment);
  expect(response.status).toBe(200);
  expect(await paidIn()).toBe(before + PRICE);
  expect((await send(chat, payment)).status).toBe(402);
});

test("in the end the books say what the chain says", async () => {
  await world.books.settled();
  await waitFor("what is left of payments to be the platform's", async () => {
    const { balance } = await world.books.sum(SYSTEM_ACCOUNTS.x402);
    return -BigInt(balance) === (await paidIn());
  });
  expect(faultsOf(await world.books.check())).toEqual([]);
});
