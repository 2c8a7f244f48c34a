// Node coordinators: this machine's node asks the coordinators that it dials, signed with its key.
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Config } from "../config.ts";
import type { DataDirectory } from "../identity/data-dir.ts";
import { type Identity, loadIdentity } from "../identity/keys.ts";
import { signedFetch } from "../identity/signed-fetch.ts";
import { checkCoordinatorUrl } from "../identity/transport-rule.ts";
import { startValue } from "../modes/start-error.ts";
import { decodeJoinToken } from "../protocol/join-token.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { CliError, EXIT } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { harmless } from "./harmless.ts";
import { dataDirectory, runningOwner } from "./instance.ts";

/** With its pinned key. */
export type NodeCoordinator = { url: string; pubkey: Pubkey };

const envelope = z.object({ data: z.unknown() });
const errorAnswer = z.object({ error: z.string(), code: z.string().optional() });

/** The node of this machine and the coordinators that it dials. */
export function nodeOf(config: Config): { node: Identity; coordinators: NodeCoordinator[]; dir: DataDirectory } {
  const dir = dataDirectory(config);
  const owner = runningOwner(config);
  // The mode may have been a flag of whatever runs now.
  const mode = owner !== null && owner.url !== null ? owner.mode : config.mode;
  if (mode === "coordinator") {
    throw new CliError("there is no node here: this is a coordinator only", {
      hint: "run the command where the node runs",
    });
  }
  const node = startValue(loadIdentity(dir, "node"));
  if (mode === "node") return { node, coordinators: dialled(config), dir };
  if (owner === null || owner.url === null) {
    throw new CliError("no instance answers here", {
      exitCode: EXIT.unreachable,
      hint: "start it with `infernet start`, then try again",
    });
  }
  const { pubkey } = startValue(loadIdentity(dir, "coordinator"));
  return { node, coordinators: [{ url: owner.url, pubkey }], dir };
}

function dialled({ node: { coordinators, join_token: joinToken, insecure } }: Config): NodeCoordinator[] {
  const known: NodeCoordinator[] = [...coordinators];
  const token = joinToken === null ? null : decodeJoinToken(joinToken);
  if (token?.ok && !known.some(({ pubkey }) => pubkey === token.value.coordinator)) {
    known.push({ url: token.value.url, pubkey: token.value.coordinator });
  }
  for (const { url } of known) startValue(checkCoordinatorUrl(url, { insecure }));
  return known;
}

/** What it answers to a signed POST below `/api/v1/node/`. Refusals and silence are CliErrors. */
export async function askCoordinator<S extends z.ZodType>(
  context: Context,
  identity: Identity,
  { url, pubkey }: NodeCoordinator,
  { path, body, answer }: { path: string; body: object; answer: S },
): Promise<z.output<S>> {
  const send = signedFetch({
    identity,
    aud: pubkey,
    clock: { nowMs: context.nowMs },
    random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
    fetch: context.fetch,
    sleep: (ms) => sleep(ms),
  });
  const away = (cause: unknown): never => {
    throw new CliError(`the coordinator at ${url} does not answer`, { exitCode: EXIT.unreachable, cause });
  };
  const address = `${url.replace(/\/+$/, "")}/api/v1/node/${path}`;
  const init = { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  const response = await send(address, init).catch(away);
  const said: unknown = await response.json().catch(away);
  if (response.ok) {
    const read = answer.safeParse(envelope.safeParse(said).data?.data);
    if (read.success) return read.data;
    throw new CliError(`the coordinator at ${url} answers in another way than this version of infernet expects`, {
      hint: "one of the two is older: `infernet version` here and there",
    });
  }
  const why = errorAnswer.safeParse(said).data?.error ?? `status ${response.status}`;
  const exitCode = response.status === 401 || response.status === 403 ? EXIT.notAllowed : EXIT.failed;
  throw new CliError(`the coordinator at ${url} refused: ${harmless(why)}`, { exitCode });
}
