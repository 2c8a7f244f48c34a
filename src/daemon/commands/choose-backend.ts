// Choose backend: which of a node's inference servers does a command about a model.
import type { Backend, ModelAction } from "../../backends/backend.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { ModelCommand } from "../../protocol/commands.ts";
import type { Serves } from "../serving.ts";

/** What each is called where it is told to people. */
export const VERBS = {
  model_install: "install",
  model_remove: "remove",
  model_load: "load",
  model_unload: "unload",
} as const satisfies Record<ModelCommand, string>;

/**
 * To install: the first that can, those that are well before others. Else the one that has the model; where none says
 * so, the first that can, which may know it by another name. The error says why nobody does it.
 */
export function chooseBackend(
  backends: readonly Backend[],
  serves: Pick<Serves, "models" | "backends">,
  command: ModelCommand,
  model: string,
): Result<{ backend: Backend; action: ModelAction }, string> {
  const able = backends.flatMap((backend, i) => {
    const action = backend.actions?.[command];
    const holds = serves.models.some((offer) => offer.backend === i && offer.name === model);
    return action ? [{ backend, action, holds, well: serves.backends[i]?.healthy ?? false }] : [];
  });
  const choice = command === "model_install" ? undefined : able.find(({ holds }) => holds);
  const has = serves.models.find((offer) => offer.name === model);
  if (!choice && has && command !== "model_install") {
    const kind = backends[has.backend]?.kind ?? "";
    return err(`the ${kind} backend, which has ${model}, does not ${VERBS[command]} models`);
  }
  const chosen = choice ?? able.find(({ well }) => well) ?? able[0];
  if (chosen) return ok(chosen);
  const kinds = [...new Set(backends.map(({ kind }) => kind))].join(", ");
  const who = kinds === "" ? "this node has no backend, so it cannot" : `no backend of this node (${kinds}) can`;
  return err(`${who} ${VERBS[command]} models`);
}
