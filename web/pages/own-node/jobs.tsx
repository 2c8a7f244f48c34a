// Jobs: what the node does now and did before.
import type { NodeView } from "../../../src/dashboard/node/view.ts";
import type { Markup } from "../../parts/markup.ts";
import { Empty, Status, Table, Th, type Tone } from "../../parts/parts.tsx";
import { Ago, duration, Name, NONE, number, plural, shortId } from "../../parts/text.tsx";

const OUTCOMES: Record<NodeView["recent"][number]["outcome"], [Tone, string]> = {
  completed: ["ok", "Done"],
  failed: ["bad", "Failed"],
  refused: ["off", "Handed back"],
  cancelled: ["off", "Cancelled"],
};

export function Jobs({ view: { running, recent, nowMs } }: { view: NodeView }): Markup {
  return (
    <section class="card" id="jobs" aria-labelledby="jobs-h">
      <header>
        <h2 id="jobs-h">Jobs</h2>
        <span class="note">{plural(running.length, "job")} running</span>
      </header>
      {running.length + recent.length === 0 ? (
        <Empty icon="jobs" title="No job yet">
          Jobs show here as soon as a coordinator sends one. What was asked is never kept on this machine.
        </Empty>
      ) : (
        <Table
          name="Jobs of this node"
          head={
            <>
              <Th>Job</Th>
              <Th>Model</Th>
              <Th>State</Th>
              <Th n>Started</Th>
              <Th n>Took</Th>
              <Th n>Tokens</Th>
            </>
          }
        >
          {running.map(({ attempt, model, started_ms, pieces }) => (
            <tr id={`a-${attempt.replaceAll(".", "-")}`}>
              <td class="key">{shortId(attempt)}</td>
              <td>
                <Name of={model} />
              </td>
              <td>
                <Status tone="live">Running</Status>
              </td>
              <td class="n end">
                <Ago ms={started_ms} nowMs={nowMs} />
              </td>
              <td class="n more">{duration(nowMs - started_ms)}</td>
              <td class="n" data-label="tokens">
                {number(pieces)}
              </td>
            </tr>
          ))}
          {recent.map(({ attempt, model, outcome, error, started_ms, ended_ms, completion_tokens }) => (
            <tr id={`a-${attempt.replaceAll(".", "-")}`}>
              <td class="key">{shortId(attempt)}</td>
              <td>
                <Name of={model} />
              </td>
              <td>
                <Status tone={OUTCOMES[outcome][0]}>{OUTCOMES[outcome][1]}</Status>
                {error !== null && (
                  <p class="note">
                    <Name of={error} max={160} />
                  </p>
                )}
              </td>
              <td class="n end">
                <Ago ms={started_ms} nowMs={nowMs} />
              </td>
              <td class="n more">{duration(ended_ms - started_ms)}</td>
              <td class="n" data-label="tokens">
                {completion_tokens === null ? NONE : number(completion_tokens)}
              </td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}
