import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromHex, toHex } from "../lib/hex.ts";
import { signText, verifyText } from "../protocol/schnorr.ts";
import { type DataDirectory, openDataDirectory } from "./data-dir.ts";
import { deriveKey, identityOf, loadIdentity, loadMasterKey } from "./keys.ts";

let dir: DataDirectory;
beforeEach(() => {
  const opened = openDataDirectory(mkdtempSync(join(tmpdir(), "infernet-keys-")));
  if (!opened.ok) throw new Error(opened.error.message);
  dir = opened.value;
});
afterEach(() => rmSync(dir.path, { recursive: true, force: true }));

function identity(name: "node" | "coordinator") {
  const loaded = loadIdentity(dir, name);
  if (!loaded.ok) throw new Error(loaded.error.message);
  return loaded.value;
}

test("an identity is made once and is the same at every later start", () => {
  const first = identity("node");
  const second = identity("node");
  expect([first.created, second.created]).toEqual([true, false]);
  expect(second.pubkey).toBe(first.pubkey);
  expect(second.secretKey).toEqual(first.secretKey);
  expect(verifyText(signText(first.secretKey, "x"), "x", second.pubkey)).toBe(true);
});

test("node and coordinator have keys of their own", () => {
  expect(identity("node").pubkey).not.toBe(identity("coordinator").pubkey);
});

test("the file is 64 hex digits and a line break, for its owner alone", () => {
  const { secretKey } = identity("coordinator");
  expect(readFileSync(dir.file("coordinator.key"), "utf8")).toBe(`${toHex(secretKey)}\n`);
  expect(statSync(dir.file("coordinator.key")).mode & 0o777).toBe(0o600);
});

test("a key that others can read stops the start, with the mend", () => {
  identity("node");
  chmodSync(dir.file("node.key"), 0o644);
  const loaded = loadIdentity(dir, "node");
  expect(loaded).toMatchObject({
    ok: false,
    error: { code: "secret_file_open_to_others", hint: `run \`chmod 600 ${dir.file("node.key")}\`` },
  });
});

const ORDER = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
for (const [what, text] of [
  ["an empty file", ""],
  ["a key cut short", "ab\n"],
  ["no hex", "z".repeat(64)],
  ["zero", "0".repeat(64)],
  ["the curve's order", ORDER],
] as const) {
  test(`${what} is refused and left as it is`, () => {
    writeFileSync(dir.file("node.key"), text, { mode: 0o600 });
    const loaded = loadIdentity(dir, "node");
    if (loaded.ok) throw new Error("accepted");
    expect(loaded.error.code).toBe("secret_file_unusable");
    expect(loaded.error.message).toContain(dir.file("node.key"));
    expect(readFileSync(dir.file("node.key"), "utf8")).toBe(text);
  });
}

test("the public key is BIP-340's", () => {
  const made = identityOf(fromHex("3".padStart(64, "0")));
  if (!made.ok) throw new Error(made.error);
  expect(made.value.pubkey as string).toBe("f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9");
  expect(identityOf(new Uint8Array(31)).ok).toBe(false);
});

test("the master key is kept, and its sub-keys differ by label and are stable", () => {
  const first = loadMasterKey(dir);
  const second = loadMasterKey(dir);
  if (!first.ok || !second.ok) throw new Error("no master key");
  const keys = deriveKey(first.value, "infernet/api-keys/v1");
  expect(keys).toHaveLength(32);
  expect(deriveKey(second.value, "infernet/api-keys/v1")).toEqual(keys);
  expect(deriveKey(first.value, "infernet/sessions/v1")).not.toEqual(keys);
  expect(toHex(keys)).not.toBe(toHex(first.value.bytes));
});

test("sub-keys are HKDF-SHA256 with the label as info", async () => {
  const master = { bytes: fromHex("0b".repeat(32)) };
  const label = "infernet/api-keys/v1";
  const key = await crypto.subtle.importKey("raw", master.bytes.slice(), "HKDF", false, ["deriveBits"]);
  const info = new TextEncoder().encode(label);
  const params = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info };
  const expected = new Uint8Array(await crypto.subtle.deriveBits(params, key, 256));
  expect(toHex(deriveKey(master, label))).toBe(toHex(expected));
});
