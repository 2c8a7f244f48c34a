// Being paid and stakes in a real browser, on real processes and real programs: a node's owner says where it is paid and asks
// for it; an admin gives back of a stake what its wallet signs, too.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import {
  getBase58Decoder,
  getBase64EncodedWireTransaction,
  getBase64Encoder,
  getTransactionDecoder,
  type KeyPairSigner,
  partiallySignTransaction,
  signBytes,
} from "@solana/web3.js";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { openBrowser, watchPage } from "./harness/browser.ts";
import { commandJson } from "./harness/instance.ts";
import { faultsOf } from "./harness/money.ts";
import { type Json, MODEL, openPaidWorld, type PaidWorld, waitOnChain } from "./harness/paid-world.ts";
import type { Person } from "./harness/person.ts";
import { expectWhole, expectWholeEverywhere, firstAdmin, follow, THEMES, visit, WIDTHS } from "./harness/site.ts";
import { openStage, type Stage } from "./harness/stage.ts";
import { DEADLINE_MS } from "./harness/wait-for.ts";

type Address = PaidWorld["treasuryAccount"];
const ALLOWED = 1_000_000n;
const HOSTILE = '<img src=x onerror=alert(1)>"\u202egnp.exe';
const chat = { model: MODEL, messages: [{ role: "user", content: "Hello?" }], max_tokens: 10 };

let stage: Stage;
let browser: Browser;
let world: PaidWorld;
let admin: Person;
let wallet: KeyPairSigner;
let shots: string;
let pubkey: string;
/** Of a browser that opened the node's own dashboard. */
let session: Awaited<ReturnType<BrowserContext["storageState"]>>;

const stake = (...args: string[]): Promise<Json> =>
  commandJson<Json>(stage.executable, world.coordinator.dataDirectory, ["stake", ...args]);

beforeAll(async () => {
  stage = await openStage();
  browser = await openBrowser();
  stage.onClose(() => browser.close());
  shots = process.env.INFERNET_SCREENSHOTS ?? stage.directory("screenshots");
  const arbiter = Promise.withResolvers<string>();
  world = await openPaidWorld(stage, async (chain) => {
    const third = await chain.wallet();
    arbiter.resolve(third.address);
    return `[payouts]\nminimum = 0\n[stake]\narbiter = "${third.address}"`;
  });
  const { on, ask } = world;
  const delegate = world.settlement as Address;
  const { owner, account } = await on.client({ amount: ALLOWED, delegate, allowed: ALLOWED });
  wallet = await on.wallet();
  await on.mintTo(await on.ata(wallet.address), 5_000_000n);
  await on.finalize();
  const { proof } = (await ask(`/api/v1/funding/allowance?wallet=${owner.address}&token_account=${account}`)).json;
  const signature = await signBytes(owner.keyPair.privateKey, new TextEncoder().encode(proof.text));
  const claim = { wallet: owner.address, token_account: account, issued_ms: proof.issued_ms };
  const body = { ...claim, signature: getBase58Decoder().decode(signature) };
  expect((await ask("/api/v1/funding/allowance", { method: "POST", body })).status).toBe(200);
  expect((await ask("/v1/chat/completions", { method: "POST", body: chat })).status).toBe(200);
  await world.books.settled();
  admin = await firstAdmin(world.coordinator);
  const { nodes } = await commandJson<Json>(stage.executable, world.coordinator.dataDirectory, ["nodes", "list"]);
  ({ pubkey } = nodes[0]);
  session = await openedByLink();
});
afterAll(() => stage.close());

/** The node's own dashboard at its page of payouts, in a browser that opened it by the command's link. */
async function opened({ theme = "light", width = 1440 }: { theme?: "light" | "dark"; width?: number } = {}) {
  const look = { colorScheme: theme, viewport: { width, height: 900 } };
  const context = await browser.newContext({ ...look, storageState: session });
  const page = await context.newPage();
  const complaints = await watchPage(page, new URL(world.node.url).origin);
  await page.goto(`${world.node.url}/payouts`);
  return { context, page, complaints };
}
async function openedByLink(): Promise<typeof session> {
  const page = await browser.newPage();
  const { stdout } = await stage.run(world.node, ["status"]);
  await page.goto(/^dashboard (\S+)/m.exec(stdout)?.[1] ?? "");
  await page.waitForURL(`${world.node.url}/`);
  const state = await page.context().storageState();
  await page.close();
  return state;
}
const LOOKS = THEMES.flatMap((theme) => WIDTHS.map((width) => ({ theme, width })));

/** A test for each look at the node's own page. */
function ownIsWhole(name: string, ready: (page: Page) => Promise<void>): void {
  for (const { theme, width } of LOOKS) {
    test(`${name}: the node's own page of payouts is whole, ${theme}, ${width} pixels wide`, async () => {
      const { context, page, complaints } = await opened({ theme, width });
      await ready(page);
      await expectWhole(page, join(shots, `paying-${name}-${theme}-${width}.png`));
      expect(complaints).toEqual([]);
      await context.close();
    });
  }
}
/** What stands at the end of `way`, in a tab of its own: whoever measures a page leaves styles of its own in it. */
async function isWhole(context: BrowserContext, name: string, way: (page: Page) => Promise<void>): Promise<void> {
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE_MS);
  await way(page);
  for (const { theme, width } of LOOKS) {
    await page.emulateMedia({ colorScheme: theme });
    await page.setViewportSize({ width, height: 900 });
    await expectWhole(page, join(shots, `paying-${name}-${theme}-${width}.png`));
  }
  await page.close();
}

async function nameWallet(page: Page): Promise<void> {
  await page.goto(`${world.node.url}/payouts`);
  await page.getByLabel("Your wallet's address").fill(wallet.address);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Pay to this address?" }).waitFor();
}
async function askToRelease(page: Page): Promise<void> {
  await page.goto(`${world.coordinator.url}/admin/money/stakes/${pubkey}`);
  const release = page.getByRole("form", { name: "Release" });
  await release.getByLabel("Amount in dollars").fill("1.5");
  await release.getByLabel("Reason").fill(HOSTILE);
  await release.getByRole("button", { name: "Release…" }).click();
  await page.getByRole("heading", { name: "Release $1.50?" }).waitFor();
}

test("where no address is set, the coordinator's page of earnings says what to do", async () => {
  await expectWholeEverywhere(browser, `${world.coordinator.url}/my/earnings`, admin, {
    ...{ shots, name: "paying-earnings" },
    ready: (page) => page.getByText("1 node cannot be paid").waitFor(),
  });
});

ownIsWhole("no-address", (page) => page.getByText("No address: nothing can be paid").waitFor());

test("the owner sets the address by keyboard, once it was compared, asks, and sees the node paid on the chain", async () => {
  const { on, books } = world;
  const { context, page, complaints } = await opened();
  await page.getByLabel("Your wallet's address").focus();
  await page.keyboard.type(HOSTILE);
  await page.keyboard.press("Enter");
  await page.getByText("That is no Solana address").waitFor();
  await page.getByLabel("Your wallet's address").fill(await on.ataOf(wallet.address));
  await page.keyboard.press("Enter");
  await page.getByText("No private key belongs to this address").waitFor();
  await isWhole(context, "confirm", nameWallet);
  await nameWallet(page);
  await page.getByLabel("Its last 6 characters").fill("nothin");
  await page.keyboard.press("Enter");
  await page.getByText("That is not how this address ends").waitFor();
  await page.getByLabel("Its last 6 characters").fill(wallet.address.slice(-6));
  await page.keyboard.press("Enter");
  await page.locator(".toast", { hasText: "Payouts go to this address from now on" }).waitFor();
  const before = await on.balance(await on.ataOf(wallet.address));
  const owed = (await books.receipts()).reduce((sum, { nodeAmount }) => sum + BigInt(nodeAmount), 0n);
  await page.locator("#ask-act").dblclick();
  await page.locator("#run", { hasText: "holds together" }).waitFor();
  await waitOnChain(world, "the page to say that it is paid", () =>
    page.locator("#history .status.ok", { hasText: "Paid" }).isVisible(),
  );
  await page.locator("#run", { hasText: "Asked for" }).waitFor();
  expect(await on.balance(await on.ataOf(wallet.address))).toBe(before + owed);
  const { stdout } = await stage.run(world.node, ["payout", "--json"]);
  expect(JSON.parse(stdout).coordinators[0]).toMatchObject({ payouts: [], nothing: "nothing is unpaid" });
  expect(await on.balance(await on.ataOf(wallet.address))).toBe(before + owed);
  expect(faultsOf(await books.check())).toEqual([]);
  expect(complaints.filter((line) => !/422|409/.test(line))).toEqual([]);
  await context.close();
});

ownIsWhole("paid", (page) => page.locator("#history", { hasText: "Paid" }).waitFor());

/** A wallet's part of a transaction. */
async function signed(transaction: string): Promise<string> {
  const read = getTransactionDecoder().decode(getBase64Encoder().encode(transaction));
  return getBase64EncodedWireTransaction(await partiallySignTransaction([wallet.keyPair], read));
}

test("an admin gives back of an enforceable stake: confirmed, signed here, sent once its wallet has signed, too", async () => {
  const { on, coordinator } = world;
  const opening = await stake("open", "multisig", wallet.address);
  await stake("submit", await signed(opening.transaction));
  await on.finalize();
  const account = ["--wallet", wallet.address, "--account", opening.token_account, "--multisig", opening.multisig];
  await stake("register", pubkey, ...account);
  const more = await stake("deposit", pubkey, "2");
  await stake("submit", await signed(more.transaction));
  await on.finalize();
  const { context, page, complaints } = await visit(browser, coordinator.url, admin);
  await page.goto(`${coordinator.url}/admin/money/chain`);
  await follow(page.getByRole("link", { name: "Enforceable, two of three sign" }));
  await isWhole(context, "stake-sure", askToRelease);
  await askToRelease(page);
  await page.getByLabel("how the node's key begins").fill(pubkey.slice(0, 8));
  await page.getByRole("button", { name: "Release $1.50" }).click();
  await page.locator("#stake-moves", { hasText: "the node's wallet" }).waitFor();
  const half = (await page.locator("#stake-moves pre").first().textContent()) ?? "";
  await page.getByLabel("The signed transaction, in base64").fill(half);
  await page.getByRole("button", { name: "Send it" }).click();
  await page.getByText("Signatures are missing").waitFor();
  await isWhole(context, "stake", async (other) => void (await other.goto(page.url())));
  await page.getByLabel("The signed transaction, in base64").fill(await signed(half));
  await page.getByRole("button", { name: "Send it" }).click();
  await page.locator(".toast", { hasText: "Sent" }).waitFor();
  await waitOnChain(world, "the release to be final", () =>
    page.locator("#stake-moves .status.ok", { hasText: "Final" }).isVisible(),
  );
  expect(await on.balance(opening.token_account as Address)).toBe(500_000n);
  expect(complaints.filter((line) => !/422|409/.test(line))).toEqual([]);
  await context.close();
});
