// Links: whom the node works for, what it earns there, and what it works with.
import type { NodeView } from "../../../src/dashboard/node/view.ts";
import type { Markup } from "../../parts/markup.ts";
import { Body, Fact, Facts, Item, List, Status, type Tone } from "../../parts/parts.tsx";
import { dollars, Name, shortKey } from "../../parts/text.tsx";

const LINKS: Record<NodeView["coordinators"][number]["state"], [Tone, string]> = {
  connected: ["ok", "Linked"],
  pending: ["wait", "Waits for approval"],
  connecting: ["wait", "Dialling"],
  refused: ["bad", "Refused"],
};

export const Coordinators = ({ view: { coordinators } }: { view: NodeView }): Markup => (
  <section class="card" id="coordinators" aria-labelledby="coordinators-h">
    <header>
      <h2 id="coordinators-h">Coordinators</h2>
    </header>
    <List>
      {coordinators.map(({ label, state, error }) => (
        <Item tone={LINKS[state][0]}>
          <Name of={label} max={80} />
          <p class="note">
            {LINKS[state][1]}
            {error !== null && (
              <>
                {": "}
                <Name of={error} max={240} />
              </>
            )}
          </p>
        </Item>
      ))}
    </List>
  </section>
);

export function Earnings({ view: { earnings } }: { view: NodeView }): Markup {
  return (
    <section class="card" id="earnings" aria-labelledby="earnings-h">
      <header>
        <h2 id="earnings-h">Earnings</h2>
      </header>
      {earnings.length === 0 ? (
        <Body>
          <p class="note">The coordinators have not said yet.</p>
        </Body>
      ) : (
        earnings.map(({ coordinator, earnings: told }) => (
          <Body>
            <Facts>
              <Fact name="At">
                <Name of={coordinator} max={60} />
              </Fact>
              {told === null ? (
                <Fact name="State">does not say</Fact>
              ) : told.billing === "off" ? (
                <Fact name="State">nothing is charged there</Fact>
              ) : (
                <>
                  <Fact name="Unpaid">{dollars(told.total.unpaid)}</Fact>
                  <Fact name="In payout">{dollars(told.total.in_payout)}</Fact>
                  <Fact name="Paid">{dollars(told.total.paid)}</Fact>
                  {told.on_chain && (
                    <Fact name="Paid to">
                      {told.wallet === null ? (
                        <Status tone="warn">No address</Status>
                      ) : (
                        <code>{shortKey(told.wallet)}</code>
                      )}
                    </Fact>
                  )}
                </>
              )}
            </Facts>
            {told?.on_chain === true && (
              <p>
                <a href="/payouts">{told.wallet === null ? "Say where to pay" : "Payouts"}</a>
              </p>
            )}
            {told !== null && told.billing !== "off" && !told.on_chain && (
              <p class="note">Its admin pays in another way, and notes here what was paid.</p>
            )}
          </Body>
        ))
      )}
    </section>
  );
}

export const Backends = ({ view: { backends } }: { view: NodeView }): Markup => (
  <section class="card" id="backends" aria-labelledby="backends-h">
    <header>
      <h2 id="backends-h">Backends</h2>
    </header>
    <List>
      {backends.map(({ kind, url, healthy }) => (
        <Item tone={healthy ? "ok" : "bad"}>
          {kind}
          <p class="note">
            {healthy ? "answers" : "does not answer; looked for again by itself"}
            {url !== null && ` · ${url}`}
          </p>
        </Item>
      ))}
    </List>
  </section>
);
