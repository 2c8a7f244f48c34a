// Build node commands: what a node does for its coordinators and its operator beside inference, over its own files.
import type { Backend } from "../backends/backend.ts";
import type { Config } from "../config.ts";
import type { Gate } from "../daemon/care/standing.ts";
import { openJournal } from "../daemon/commands/journal.ts";
import { freeDiskBytes, modelDisk } from "../daemon/commands/model-disk.ts";
import { type NodeCommands, nodeCommands } from "../daemon/commands/node-commands.ts";
import type { LinkClient } from "../daemon/link-client.ts";
import type { Serving } from "../daemon/serving.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { modelsDirectory } from "./models-directory.ts";
import type { OwnTerms } from "./node-terms.ts";

export type NodeCommandsInput = {
  config: Config;
  log: Log;
  clock: Clock;
  backends: readonly Backend[];
  serving: Serving;
  care: Pick<Gate, "hold" | "release">;
  /** Those there are by then. */
  links: readonly Pick<LinkClient, "announce">[];
  terms: Pick<OwnTerms, "allowed" | "configure">;
  restart: (() => void) | undefined;
};

const GIB = 1024 ** 3;

export async function buildNodeCommands(input: NodeCommandsInput): Promise<NodeCommands> {
  const { config, log, clock, backends, serving, care, links, terms, restart } = input;
  const journal = await openJournal(config.data_dir, log);
  const disk = modelDisk({
    limitBytes() {
      const { model_disk_gib: limitGib } = config.node;
      return limitGib === null ? null : limitGib * GIB;
    },
    installedBytes: journal.installedBytes,
    freeBytes: freeDiskBytes,
    directory: modelsDirectory(config),
  });
  return nodeCommands({
    clock,
    log,
    journal,
    backends,
    serving,
    gate: care,
    disk,
    allowed: terms.allowed,
    configure: terms.configure,
    announce() {
      for (const link of links) link.announce();
    },
    restart: restart ?? null,
  });
}
