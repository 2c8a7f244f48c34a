// Models: what the node serves, and how much it wrote with it.
import type { NodeView } from "../../../src/dashboard/node/view.ts";
import { Bars } from "../../parts/bars.tsx";
import type { Markup } from "../../parts/markup.ts";
import { Body, Empty, Table, Tag, Th } from "../../parts/parts.tsx";
import { dollars, Name, NONE, number, shortDay } from "../../parts/text.tsx";

export function Models({ view: { models } }: { view: NodeView }): Markup {
  return (
    <section class="card" id="models" aria-labelledby="models-h">
      <header>
        <h2 id="models-h">Models</h2>
        <span class="note">in / out per million tokens</span>
      </header>
      {models.length === 0 ? (
        <Empty icon="model" title="No model to serve">
          Start an inference server on this machine, or install a model with <code>infernet models install NAME</code>.
        </Empty>
      ) : (
        <Table
          name="Models of this node"
          head={
            <>
              <Th>Model</Th>
              <Th n>Context</Th>
              <Th n>Price</Th>
            </>
          }
        >
          {models.slice(0, 200).map(({ name, context, quantization, demo, loaded, input, output }) => (
            <tr>
              <td>
                <Name of={name} /> {quantization !== null && <Tag>{quantization}</Tag>} {demo && <Tag>demo</Tag>}{" "}
                {loaded === true && <Tag>in memory</Tag>}
              </td>
              <td class="n end" data-label="context">
                {context === null ? NONE : number(context)}
              </td>
              <td class="n">
                {dollars(input)} / {dollars(output)}
              </td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}

const DAY_MS = 86_400_000;

export function Days({ view: { days } }: { view: NodeView }): Markup {
  const all = days.reduce((sum, day) => sum + day.completion_tokens, 0);
  return (
    <section class="card" id="days" aria-labelledby="days-h">
      <header>
        <h2 id="days-h">Tokens written, 14 days</h2>
        <span class="num">{number(all)}</span>
      </header>
      <Body>
        {all === 0 ? (
          <p class="note">Nothing written yet.</p>
        ) : (
          <Bars
            says={`Tokens written a day over 14 days, ${number(all)} in all`}
            bars={days.map((day) => ({ label: shortDay(day.day * DAY_MS), value: day.completion_tokens }))}
            format={(value) => number(Math.round(value))}
          />
        )}
      </Body>
    </section>
  );
}
