// The link's handshake: what each side signs to prove that it holds its key now, for this link and no other. The
// coordinator's signature is in `welcome`, the node's in `ready`; both cover both keys and both nonces.
import type { Pubkey } from "./primitives.ts";
import { signText, verifyText } from "./schnorr.ts";

const WELCOME_DOMAIN = "infernet-link-v1";
const READY_DOMAIN = "infernet-link-node-v1";

export type Handshake = {
  coordinator: Pubkey;
  node: Pubkey;
  /** 32 hex digits, from the node's `hello`. */
  nodeNonce: string;
  /** 32 hex digits, from the coordinator's `welcome`. */
  coordinatorNonce: string;
};

const message = (domain: string, { coordinator, node, nodeNonce, coordinatorNonce }: Handshake): string =>
  [domain, coordinator, node, nodeNonce, coordinatorNonce].join("\n");

/** The text whose sha256 the coordinator signs. */
export const welcomeMessage = (handshake: Handshake): string => message(WELCOME_DOMAIN, handshake);
/** The text whose sha256 the node signs. */
export const readyMessage = (handshake: Handshake): string => message(READY_DOMAIN, handshake);

/** `welcome.sig`: 128 hex digits. */
export const signWelcome = (coordinatorSecret: Uint8Array, handshake: Handshake, auxRand?: Uint8Array): string =>
  signText(coordinatorSecret, welcomeMessage(handshake), auxRand);
/** A node sends `ready` only after this was true with the coordinator key that it pinned. */
export const verifyWelcome = (sig: string, handshake: Handshake): boolean =>
  verifyText(sig, welcomeMessage(handshake), handshake.coordinator);

/** `ready.sig`: 128 hex digits. */
export const signReady = (nodeSecret: Uint8Array, handshake: Handshake, auxRand?: Uint8Array): string =>
  signText(nodeSecret, readyMessage(handshake), auxRand);
/** A coordinator dispatches nothing before this was true with the key that signed the upgrade. */
export const verifyReady = (sig: string, handshake: Handshake): boolean =>
  verifyText(sig, readyMessage(handshake), handshake.node);
