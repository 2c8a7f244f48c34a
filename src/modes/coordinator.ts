// Mode `coordinator`: the control plane.
import { systemClock } from "../lib/clock.ts";
import { buildCoordinator } from "./build-coordinator.ts";
import { openInstance } from "./open-instance.ts";
import type { Running, StartInput } from "./running.ts";

export async function start({ config, ...input }: StartInput): Promise<Running> {
  const clock = systemClock;
  const instance = openInstance(config, clock);
  try {
    const coordinator = await buildCoordinator({ ...input, config, clock, instance, mode: "coordinator" });
    return {
      mode: "coordinator",
      url: coordinator.server.url,
      pubkey: coordinator.pubkey,
      model: null,
      apiKey: coordinator.apiKey,
      setupLink: coordinator.setupLink,
      dashboardLink: null,
      failed: coordinator.failed,
      stop: () => coordinator.stop(),
    };
  } catch (error) {
    instance.release();
    throw error;
  }
}
