// Job state: how a job stands, in a word, and what jobs are called in lists.
import type { JobState as State } from "../../src/jobs/states.ts";
import type { Markup } from "./markup.ts";
import { Status, type Tone } from "./parts.tsx";
import { Name, shortId } from "./text.tsx";

export const JOB_WORDS: Readonly<Record<State, readonly [tone: Tone, word: string]>> = {
  queued: ["wait", "Queued"],
  dispatched: ["live", "Starting"],
  running: ["live", "Running"],
  completed: ["ok", "Done"],
  failed: ["bad", "Failed"],
  cancelled: ["off", "Cancelled"],
  expired: ["bad", "Expired"],
};

export const JobState = ({ state }: { state: State }): Markup => {
  const [tone, word] = JOB_WORDS[state];
  return <Status tone={tone}>{word}</Status>;
};

export const JobLink = ({ id }: { id: string }): Markup => (
  <a class="key" href={`/jobs/${encodeURIComponent(id)}`}>
    {shortId(id)}
  </a>
);

export const NodeLink = ({ pubkey, name }: { pubkey: string; name: string }): Markup => (
  <a href={`/nodes/${encodeURIComponent(pubkey)}`}>
    <Name of={name} max={32} />
  </a>
);
