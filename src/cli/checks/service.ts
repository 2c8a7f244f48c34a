// Service check: whether the system starts infernet by itself.
import { describeService, worldOf } from "../commands/service.ts";
import type { Context } from "../context.ts";
import { serviceManager } from "../service/manager.ts";
import { type Check, good, skipped, warning } from "./check.ts";

export async function checkService(context: Pick<Context, "env">): Promise<Check> {
  const name = "service";
  try {
    const world = worldOf(context);
    const states = await Promise.all([false, true].map((system) => serviceManager(world, system).state()));
    const [state] = states.filter(({ installed }) => installed);
    if (!state) return skipped(name, "none is installed; `infernet service install` makes one");
    const text = describeService(state);
    const mend = "`infernet service install` brings it in order; its log says why it stopped";
    return state.active && state.enabled ? good(name, text) : warning(name, text, mend);
  } catch {
    return skipped(name, "no service manager can be asked here");
  }
}
