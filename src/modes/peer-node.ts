// Peer node: this node as the coordinators upstream get to know it, whose pools it offers as its own.
import type { Fetch } from "../backends/http.ts";
import type { PeerNode } from "../backends/infernet/infernet.ts";
import type { Config } from "../config.ts";
import type { Identity } from "../identity/keys.ts";
import { signedFetch } from "../identity/signed-fetch.ts";
import type { Clock } from "../lib/clock.ts";
import { patternPrice } from "../protocol/prices.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { randomBytes } from "./open-instance.ts";

export type PeerNodeDeps = {
  clock: Clock;
  identity: Identity;
  config: Config;
  /** Those that this node serves. */
  coordinators: readonly Pubkey[];
  /** It registers where it is not known. */
  registers: boolean;
  notice: (message: string) => void;
};

export const peerNode = ({ clock, identity, config, coordinators, registers, notice }: PeerNodeDeps): PeerNode => ({
  pubkey: identity.pubkey,
  name: registers ? config.node.name : null,
  coordinators,
  priceOf: (model) =>
    patternPrice(config.node.prices, model) ?? { input: config.node.price_input, output: config.node.price_output },
  notice,
  signedFor: (coordinator) => signing(clock, identity, coordinator),
});

function signing(clock: Clock, identity: Identity, aud: Pubkey): Fetch {
  const call = signedFetch({
    identity,
    aud,
    clock,
    random: randomBytes,
    sleep: (ms) => Bun.sleep(ms),
    // Callers bound the time by their signal: a slow prefill is silent for long.
    fetch: (url, init) => fetch(url, { ...init, timeout: false } as BunFetchRequestInit),
  });
  return (url, { method = "GET", headers, body, signal }) =>
    call(url, {
      method,
      headers: headers as Record<string, string>,
      ...(typeof body === "string" ? { body } : {}),
      ...(signal ? { signal } : {}),
    });
}
