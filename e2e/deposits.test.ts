// Money onto accounts with real processes and real programs: deposits by Solana Pay, and allowances.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  type Base64EncodedWireTransaction,
  getBase58Decoder,
  getBase64EncodedWireTransaction,
  getBase64Encoder,
  getTransactionDecoder,
  partiallySignTransaction,
  signBytes,
} from "@solana/web3.js";
import { faultsOf } from "./harness/money.ts";
import { MODEL, openPaidWorld, type PaidWorld, payUrl, TOKEN, waitOnChain } from "./harness/paid-world.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { waitFor } from "./harness/wait-for.ts";

const chat = { model: MODEL, messages: [{ role: "user", content: "Hello?" }], max_tokens: 10 };
type Address = Awaited<ReturnType<PaidWorld["on"]["ata"]>>;

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

describe("deposits", () => {
  let world: PaidWorld;
  beforeAll(async () => {
    world = await openPaidWorld(stage);
  });

  test("what is paid to the URL is credited once it is final, and can be spent", async () => {
    const { ask, on } = world;
    const refused = await ask("/v1/chat/completions", { method: "POST", body: chat });
    expect(refused.status).toBe(402);
    const asked = await ask("/api/v1/funding/deposits", { method: "POST", body: { amount_micro_usd: 5_000 } });
    expect(asked.status).toBe(201);
    expect(asked.json).toMatchObject({ custodial: true, amount: "0.005", mint: on.mint });
    await payUrl(world, asked.json.url, 5_000n);
    const before = await ask(`/api/v1/funding/deposits/${asked.json.reference}`);
    expect(before.json.payments).toEqual([]);
    await on.finalize();
    const after = await ask(`/api/v1/funding/deposits/${asked.json.reference}`);
    expect(after.json.payments).toMatchObject([{ amount_micro_usd: 5_000, refused: null }]);
    expect((await ask("/api/v1/credits")).json.data.available_micro_usd).toBe(5_000);
    const answered = await ask("/v1/chat/completions", { method: "POST", body: chat });
    expect(answered.status).toBe(200);
  });

  test("the code comes as SVG and PNG, to its own account only", async () => {
    const { coordinator, key, ask } = world;
    const { json } = await ask("/api/v1/funding/deposits", { method: "POST", body: {} });
    const load = (path: string, bearer = key) =>
      fetch(coordinator.url + path, { headers: { authorization: `Bearer ${bearer}` } });
    const svg = await load(json.qr_svg);
    expect([svg.headers.get("content-type"), (await svg.text()).startsWith("<svg")]).toEqual(["image/svg+xml", true]);
    const png = await load(json.qr_png);
    expect(new Uint8Array(await png.arrayBuffer()).subarray(1, 4)).toEqual(new TextEncoder().encode("PNG"));
    expect((await load(json.qr_svg, "inf_wrong")).status).toBe(401);
  });

  test("killed while payments are on their way, each is credited once after the restart, without being asked", async () => {
    const { ask } = world;
    const { json } = await ask("/api/v1/funding/deposits", { method: "POST", body: {} });
    const { balance } = await world.books.client();
    await payUrl(world, json.url, 300n);
    await world.coordinator.kill9();
    await payUrl(world, json.url, 45n);
    world.coordinator = await stage.restart(world.coordinator);
    await waitOnChain(world, "both to be credited", async () => (await world.books.client()).balance === balance + 345);
    expect(faultsOf(await world.books.check())).toEqual([]);
  });
});

describe("allowances", () => {
  test("a wallet opens a dedicated account, approves it, proves that it is its own, spends from it, and revokes", async () => {
    const world = await openPaidWorld(stage);
    const { ask, on } = world;
    const owner = await on.wallet();
    const main = await on.ata(owner.address);
    await on.mintTo(main, 10_000n);
    await on.finalize();
    const opening = await ask(`/api/v1/funding/allowance?wallet=${owner.address}&deposit=4000&cap=3000`);
    expect(opening.json).toMatchObject({ mint: on.mint, allowance: null, delegates: [{ kind: "key" }] });
    const unsigned = getTransactionDecoder().decode(getBase64Encoder().encode(opening.json.open.transaction));
    const signed = await partiallySignTransaction([owner.keyPair], unsigned);
    const wire: Base64EncodedWireTransaction = getBase64EncodedWireTransaction(signed);
    await on.rpc.sendTransaction(wire, { encoding: "base64" }).send();
    const { token_account: account } = opening.json.open;
    const claim = async () => {
      const { json } = await ask(`/api/v1/funding/allowance?wallet=${owner.address}&token_account=${account}`);
      const signature = await signBytes(owner.keyPair.privateKey, new TextEncoder().encode(json.proof.text));
      return {
        wallet: owner.address,
        token_account: account,
        issued_ms: json.proof.issued_ms,
        signature: getBase58Decoder().decode(signature),
      };
    };
    const early = await ask("/api/v1/funding/allowance", { method: "POST", body: await claim() });
    expect([early.status, early.json.error.code]).toEqual([422, "token_account_unspendable"]);
    await on.finalize();
    const honest = await claim();
    const forged = { ...honest, issued_ms: honest.issued_ms - 1_000 };
    expect((await ask("/api/v1/funding/allowance", { method: "POST", body: forged })).json.error.code).toBe(
      "wallet_proof_invalid",
    );
    const registered = await ask("/api/v1/funding/allowance", { method: "POST", body: await claim() });
    expect(registered.json.allowance).toMatchObject({ spendable_micro_usd: 3_000, unspendable: null });
    const before = await world.books.client();
    expect(before).toEqual({ balance: 3_000, held: 0 });
    expect((await ask("/v1/chat/completions", { method: "POST", body: chat })).status).toBe(200);
    await world.books.settled();
    const [receipt] = await world.books.receipts();
    const gross = receipt?.gross ?? 0;
    expect(gross).toBeGreaterThan(0);
    expect(gross % TOKEN).toBe(0);
    expect((await world.books.client()).balance).toBe(3_000 - gross);
    // Another account's key cannot take it over, and grants cannot be mixed with it.
    const taken = await ask("/api/v1/funding/deposits", { method: "POST", body: {} });
    expect([taken.status, taken.json.error.code]).toEqual([409, "funded_otherwise"]);
    await on.revoke(owner, account as Address);
    await waitOnChain(world, "the revocation to be seen", async () => (await world.books.client()).balance === 0);
    expect((await ask("/v1/chat/completions", { method: "POST", body: chat })).status).toBe(402);
    await world.books.settled();
    expect(faultsOf(await world.books.check())).toEqual([]);
  });

  test("an account that would be refused is looked at first: what its wallet approved meanwhile counts", async () => {
    const world = await openPaidWorld(stage, "", 3_600);
    const { ask, on } = world;
    const { owner, account } = await on.client({
      amount: 9_000n,
      delegate: world.settlement as Address,
      allowed: 400n,
    });
    await on.finalize();
    const query = `wallet=${owner.address}&token_account=${account}`;
    const { proof } = (await ask(`/api/v1/funding/allowance?${query}`)).json;
    const signature = await signBytes(owner.keyPair.privateKey, new TextEncoder().encode(proof.text));
    const registered = await ask("/api/v1/funding/allowance", {
      method: "POST",
      body: {
        ...{ wallet: owner.address, token_account: account, issued_ms: proof.issued_ms },
        signature: getBase58Decoder().decode(signature),
      },
    });
    expect(registered.json.allowance.spendable_micro_usd).toBe(400);
    expect((await ask("/v1/chat/completions", { method: "POST", body: chat })).status).toBe(402);
    await on.approve(owner, account, world.settlement as Address, 9_000n);
    await on.finalize();
    await waitFor("the next request to be answered", async () => {
      const { status } = await ask("/v1/chat/completions", { method: "POST", body: chat });
      return status === 200;
    });
    expect(faultsOf(await world.books.check())).toEqual([]);
  });
});
