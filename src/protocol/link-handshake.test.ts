import { expect, test } from "bun:test";
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { fromHex, toHex } from "../lib/hex.ts";
import {
  type Handshake,
  readyMessage,
  signReady,
  signWelcome,
  verifyReady,
  verifyWelcome,
  welcomeMessage,
} from "./link-handshake.ts";
import vectors from "./link-handshake.vectors.json";
import { pubkeySchema } from "./primitives.ts";
import { pubkeyOf } from "./schnorr.ts";

type Fields = { coordinator: string; node: string; node_nonce: string; coordinator_nonce: string };
const handshake = (fields: Fields): Handshake => ({
  coordinator: pubkeySchema.parse(fields.coordinator),
  node: pubkeySchema.parse(fields.node),
  nodeNonce: fields.node_nonce,
  coordinatorNonce: fields.coordinator_nonce,
});
const digest = (text: string) => toHex(sha256(utf8ToBytes(text)));

for (const vector of vectors.cases) {
  const fields = handshake(vector);
  const aux = fromHex(vector.aux_rand);

  test(`${vector.name}: the coordinator's welcome is the vector's and verifies`, () => {
    expect(pubkeyOf(fromHex(vector.coordinator_secret))).toBe(fields.coordinator);
    expect(welcomeMessage(fields)).toBe(vector.welcome_message);
    expect(digest(vector.welcome_message)).toBe(vector.welcome_digest);
    expect(signWelcome(fromHex(vector.coordinator_secret), fields, aux)).toBe(vector.welcome_sig);
    expect(verifyWelcome(vector.welcome_sig, fields)).toBe(true);
  });

  test(`${vector.name}: the node's ready is the vector's and verifies`, () => {
    expect(pubkeyOf(fromHex(vector.node_secret))).toBe(fields.node);
    expect(readyMessage(fields)).toBe(vector.ready_message);
    expect(digest(vector.ready_message)).toBe(vector.ready_digest);
    expect(signReady(fromHex(vector.node_secret), fields, aux)).toBe(vector.ready_sig);
    expect(verifyReady(vector.ready_sig, fields)).toBe(true);
  });
}

for (const { reason, frame, sig, ...fields } of vectors.invalid) {
  test(`refused: ${reason}`, () => {
    const verify = frame === "welcome" ? verifyWelcome : verifyReady;
    expect(verify(sig, handshake(fields))).toBe(false);
  });
}

test("the two messages differ in their label alone, and a changed field changes both", () => {
  const fields = handshake(vectors.cases[0]!);
  const [, ...welcome] = welcomeMessage(fields).split("\n");
  const [, ...ready] = readyMessage(fields).split("\n");
  expect(welcome).toEqual([fields.coordinator, fields.node, fields.nodeNonce, fields.coordinatorNonce]);
  expect(ready).toEqual(welcome);
});
