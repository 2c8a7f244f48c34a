// House: a coordinator with what a test needs to let bad and right nodes at it, and join tokens taken apart.
import type { Output } from "../../src/admin/operations.ts";
import { decodeJoinToken, encodeJoinToken, type JoinToken } from "../../src/protocol/join-token.ts";
import type { Pubkey } from "../../src/protocol/primitives.ts";
import { type Client, client } from "./client.ts";
import { commandJson, type Instance } from "./instance.ts";
import type { Stage } from "./stage.ts";

/** `api` asks for the model of hostile nodes where a test does not say otherwise. */
export type House = { coordinator: Instance; target: { url: string; coordinator: Pubkey }; api: Client };

export async function openHouse(stage: Stage, config: string): Promise<House> {
  const { coordinator, key } = await stage.coordinator(config);
  const { pubkey } = await commandJson<Output<"status">>(stage.executable, coordinator.dataDirectory, ["status"]);
  const target = { url: coordinator.url, coordinator: pubkey };
  return { coordinator, target, api: client(() => coordinator.url, key, "hostile-model") };
}

export function decodedToken(text: string): JoinToken {
  const token = decodeJoinToken(text);
  if (!token.ok) throw new Error(token.error.message);
  return token.value;
}

export function encodedToken(token: JoinToken): string {
  const text = encodeJoinToken(token);
  if (!text.ok) throw new Error(text.error.message);
  return text.value;
}
