// The receipt's layout against the chain client's own codec, which others will read receipts with.
import { expect, test } from "bun:test";
import {
  fixCodecSize,
  getBytesCodec,
  getStructCodec,
  getU8Codec,
  getU16Codec,
  getU32Codec,
  getU64Codec,
} from "@solana/web3.js";
import { fromHex } from "../lib/hex.ts";
import { decodeReceipt } from "../protocol/receipts.ts";
import vectors from "../protocol/receipts.vectors.json";

const bytes32 = fixCodecSize(getBytesCodec(), 32);
const codec = getStructCodec([
  ["version", getU8Codec()],
  ["genesis", bytes32],
  ["coordinator", bytes32],
  ["jobId", fixCodecSize(getBytesCodec(), 16)],
  ["seq", getU64Codec()],
  ["previous", bytes32],
  ["node", bytes32],
  ["nodeWallet", bytes32],
  ["client", bytes32],
  ["mint", bytes32],
  ["gross", getU64Codec()],
  ["nodeAmount", getU64Codec()],
  ["fee", getU64Codec()],
  ["feeBps", getU16Codec()],
  ["promptTokens", getU32Codec()],
  ["completionTokens", getU32Codec()],
  ["modelHash", bytes32],
  ["requestHash", bytes32],
  ["outputHash", bytes32],
  ["finishedAtMs", getU64Codec()],
]);

for (const { name, bytes } of vectors.cases) {
  test(`${name}: reads and writes as web3.js' struct codec does`, () => {
    const receipt = decodeReceipt(fromHex(bytes));
    if (!receipt.ok) throw new Error(receipt.error);
    expect<unknown>({ ...codec.decode(fromHex(bytes)), version: 1 as const }).toEqual(receipt.value);
    expect<unknown>(Uint8Array.from(codec.encode(receipt.value))).toEqual(fromHex(bytes));
  });
}
