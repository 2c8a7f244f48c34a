// Node coordinators: this machine's node asks the coordinators that it dials, signed with its key.
import { setTimeout as sleep } from "node:timers/promises";
import type { z } from "zod";
import type { Config } from "../config.ts";
import type { DataDirectory } from "../identity/data-dir.ts";
import { type Identity, loadIdentity } from "../identity/keys.ts";
import { checkCoordinatorUrl } from "../identity/transport-rule.ts";
import {
  type AskDeps,
  type Asked,
  askCoordinator as ask,
  type NodeCoordinator,
  NodeError,
} from "../modes/ask-coordinator.ts";
import { startValue } from "../modes/start-error.ts";
import { decodeJoinToken } from "../protocol/join-token.ts";
import { CliError, EXIT, type ExitCode } from "./cli-error.ts";
import type { Context } from "./context.ts";
import { dataDirectory, runningOwner } from "./instance.ts";

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

/** Asks as this machine's node, for as long as it takes. */
export const askDeps = (context: Context, identity: Identity): AskDeps => ({
  ...{ identity, clock: { nowMs: context.nowMs }, fetch: context.fetch, sleep: (ms) => sleep(ms), timeoutMs: null },
  random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
});

/** What it answers to a signed POST below `/api/v1/node/`. Refusals and silence are CliErrors. */
export const askCoordinator = <S extends z.ZodType>(
  context: Context,
  identity: Identity,
  coordinator: NodeCoordinator,
  asked: Asked<S>,
): Promise<z.output<S>> => orCliError(ask(askDeps(context, identity), coordinator, asked));

const EXITS: Record<NodeError["code"], ExitCode> = {
  away: EXIT.unreachable,
  not_allowed: EXIT.notAllowed,
  refused: EXIT.failed,
  not_right: EXIT.failed,
  invalid: EXIT.failed,
};

/** The same, with a NodeError as the command's end. */
export const orCliError = <T>(act: Promise<T>): Promise<T> =>
  act.catch((error: unknown) => {
    if (!(error instanceof NodeError)) throw error;
    const { code, message, hint, cause } = error;
    throw new CliError(message, { exitCode: EXITS[code], hint, cause });
  });
