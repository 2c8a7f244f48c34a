// Own node: a node's own small dashboard: whether it serves, what it does and did, what it earns, what it is made of.
import type { NodeView } from "../../src/dashboard/node/view.ts";
import { OPEN_SCRIPT } from "../parts/assets.ts";
import { Bars } from "../parts/bars.tsx";
import type { Markup } from "../parts/markup.ts";
import {
  Body,
  Card,
  Copy,
  Csrf,
  Empty,
  Fact,
  Facts,
  Figure,
  Figures,
  Item,
  List,
  Status,
  Table,
  Tag,
  Th,
  type Tone,
} from "../parts/parts.tsx";
import { Document, Head, LiveState, PlainTop } from "../parts/shell.tsx";
import {
  Ago,
  dollars,
  duration,
  Name,
  NONE,
  number,
  plural,
  shortDay,
  shortId,
  shortKey,
  size,
} from "../parts/text.tsx";

const MIB = 1024 * 1024;

export const OpenNode = (): Markup => (
  <Document title="Open the dashboard" csrf={undefined} bar={<PlainTop />} scripts={[OPEN_SCRIPT]}>
    <Head title="This node's dashboard" />
    <section class="card narrow" aria-label="How to open it">
      <Empty icon="keyicon" level={2} title="It opens with a link">
        Run <code>infernet status</code> on this machine and open the link that it prints. It works once, for ten
        minutes.
      </Empty>
      <p class="body" role="status" id="said"></p>
    </section>
  </Document>
);

export const OwnNode = ({ csrf, view }: { csrf: string; view: NodeView }): Markup => {
  const parts = ownNodeParts(view);
  return (
    <Document title={`Node ${view.name}`} csrf={csrf} bar={<PlainTop />} live="/live/node">
      <Head title={<Name of={view.name} />} note={`infernet ${view.version}`}>
        <LiveState />
        {parts.standing}
        <form method="post" action="/close" hx-post="/close">
          <Csrf token={csrf} />
          <button type="submit" class="plain">
            Close
          </button>
        </form>
      </Head>
      {parts.figures}
      <div class="cols">
        <div class="stack">
          {parts.jobs}
          {parts.models}
          {parts.days}
          {parts.log}
        </div>
        <div class="stack">
          {parts.coordinators}
          {parts.earnings}
          {parts.backends}
          <Settings view={view} csrf={csrf} />
          <DeviceCard view={view} />
        </div>
      </div>
    </Document>
  );
};

/** What changes while the page is open, by the id of its element. */
export const ownNodeParts = (view: NodeView) => ({
  standing: <Standing view={view} />,
  figures: <NodeFigures view={view} />,
  jobs: <Jobs view={view} />,
  models: <Models view={view} />,
  days: <Days view={view} />,
  coordinators: <Coordinators view={view} />,
  earnings: <Earnings view={view} />,
  backends: <Backends view={view} />,
  log: <LogCard view={view} />,
});

function Standing({ view: { standing, running } }: { view: NodeView }): Markup {
  const serves = standing.status === "available";
  const tone: Tone = !serves ? "off" : running.length > 0 ? "live" : "ok";
  const word = serves ? (running.length > 0 ? "Serving" : "Ready") : (standing.reason ?? standing.status);
  const path = serves ? "/pause" : "/resume";
  return (
    <div class="row" id="standing">
      <Status tone={tone}>{word}</Status>
      <button type="button" id="standing-act" class={serves ? undefined : "act"} hx-post={path} hx-swap="none">
        {serves ? "Pause" : "Resume"}
      </button>
    </div>
  );
}

function NodeFigures({ view }: { view: NodeView }): Markup {
  const { running, slots, days, uptime, nowMs, startedMs, earnings } = view;
  const today = days.at(-1);
  const charging = earnings.flatMap((one) => (one.earnings && one.earnings.billing !== "off" ? [one.earnings] : []));
  const unpaid = charging.reduce((sum, { total }) => sum + total.unpaid + total.in_payout, 0);
  const paid = charging.reduce((sum, { total }) => sum + total.paid, 0);
  return (
    <Figures id="figures">
      <Figure label="Running jobs" value={number(running.length)} unit={`of ${plural(slots, "slot")}`} />
      <Figure
        label="Jobs today"
        value={number((today?.completed ?? 0) + (today?.failed ?? 0))}
        note={`${number(today?.failed ?? 0)} failed`}
      />
      <Figure
        label="Tokens today"
        value={number(today?.completion_tokens ?? 0)}
        note={`${number(today?.prompt_tokens ?? 0)} read`}
      />
      <Figure
        label="Uptime, 30 days"
        value={uptime === null ? NONE : number(uptime * 100, 1)}
        {...(uptime === null ? {} : { unit: "%" })}
        note={`started ${duration(nowMs - startedMs)} ago`}
      />
      {charging.length > 0 && (
        <Figure label="Earned, unpaid" value={dollars(unpaid)} note={`${dollars(paid)} paid out`} />
      )}
    </Figures>
  );
}

const OUTCOMES: Record<NodeView["recent"][number]["outcome"], [Tone, string]> = {
  completed: ["ok", "Done"],
  failed: ["bad", "Failed"],
  refused: ["off", "Handed back"],
  cancelled: ["off", "Cancelled"],
};

function Jobs({ view: { running, recent, nowMs } }: { view: NodeView }): Markup {
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

function Models({ view: { models } }: { view: NodeView }): Markup {
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

const Days = ({ view: { days } }: { view: NodeView }): Markup => (
  <section class="card" id="days" aria-labelledby="days-h">
    <header>
      <h2 id="days-h">Tokens written, 14 days</h2>
    </header>
    <Body>
      <Bars
        says={`Tokens written a day over 14 days, ${number(days.reduce((sum, day) => sum + day.completion_tokens, 0))} in all`}
        bars={days.map((day) => ({ label: shortDay(day.day * DAY_MS), value: day.completion_tokens }))}
        format={(value) => number(Math.round(value))}
      />
    </Body>
  </section>
);

const LINKS: Record<NodeView["coordinators"][number]["state"], [Tone, string]> = {
  connected: ["ok", "Linked"],
  pending: ["wait", "Waits for approval"],
  connecting: ["wait", "Dialling"],
  refused: ["bad", "Refused"],
};

const Coordinators = ({ view: { coordinators } }: { view: NodeView }): Markup => (
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

function Earnings({ view: { earnings } }: { view: NodeView }): Markup {
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
                  <Fact name="Paid to">{told.wallet === null ? "no wallet set" : shortKey(told.wallet)}</Fact>
                </>
              )}
            </Facts>
            {told !== null && told.billing !== "off" && (
              <p class="note">
                <code>infernet payout</code> asks for what is unpaid.
              </p>
            )}
          </Body>
        ))
      )}
    </section>
  );
}

const Backends = ({ view: { backends } }: { view: NodeView }): Markup => (
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

const Settings = ({ view: { settings }, csrf }: { view: NodeView; csrf: string }): Markup => (
  <Card
    id="settings"
    title="Settings"
    footer={
      <p class="note">
        Counts at once, and over restarts. The rest is in <code>config.toml</code>.
      </p>
    }
  >
    <Body>
      {settings.map((setting) => (
        <form
          method="post"
          action="/settings"
          hx-post="/settings"
          class="fields"
          id={`set-${setting.key.replace(".", "-")}`}
        >
          <Csrf token={csrf} />
          <input type="hidden" name="key" value={setting.key} />
          <SettingField setting={setting} />
          {setting.fixed === null ? <button type="submit">Save</button> : <p class="note">Fixed by {setting.fixed}.</p>}
        </form>
      ))}
    </Body>
  </Card>
);

function SettingField({
  setting: { key, label, kind, value, fixed },
}: {
  setting: NodeView["settings"][number];
}): Markup {
  const disabled = fixed !== null;
  const id = `f-${key.replace(".", "-")}`;
  if (kind === "boolean") {
    return (
      <label class="check" for={id}>
        <input type="checkbox" id={id} name="value" value="true" checked={value === "true"} disabled={disabled} />
        {label}
      </label>
    );
  }
  return (
    <label for={id}>
      {label}
      {kind === "lines" ? (
        <textarea id={id} name="value" rows={2} maxlength={2048} placeholder="mon-fri 18:00-08:00" disabled={disabled}>
          {value}
        </textarea>
      ) : (
        <input
          id={id}
          name="value"
          inputmode={kind === "integer" ? "numeric" : "decimal"}
          value={value}
          maxlength={24}
          required
          disabled={disabled}
        />
      )}
    </label>
  );
}

function DeviceCard({ view: { device, pubkey } }: { view: NodeView }): Markup {
  return (
    <Card id="device" title="Device">
      <Body>
        <Facts>
          {device.gpus.map(({ name, vram_mib, driver }) => (
            <Fact name="GPU">
              <Name of={name} />
              {vram_mib !== null && `, ${size(vram_mib * MIB)}`}
              {driver !== undefined && `, ${driver}`}
            </Fact>
          ))}
          {device.gpus.length === 0 && <Fact name="GPU">none found</Fact>}
          <Fact name="CPU">
            <Name of={device.cpu} />, {plural(device.cores, "core")}
          </Fact>
          <Fact name="Memory">{size(device.memory_mib * MIB)}</Fact>
          {device.disk_free_mib !== undefined && <Fact name="Disk free">{size(device.disk_free_mib * MIB)}</Fact>}
          <Fact name="System">
            {device.os} {device.arch}
          </Fact>
          <Fact name="Key">
            <code>{shortKey(pubkey)}</code> <Copy text={pubkey} label="Copy the node's key" />
          </Fact>
        </Facts>
      </Body>
    </Card>
  );
}

function LogCard({ view: { log } }: { view: NodeView }): Markup {
  return (
    <section class="card" id="log" aria-labelledby="log-h">
      <header>
        <h2 id="log-h">Log</h2>
        <span class="note">newest first</span>
      </header>
      <div class="log" tabindex={0} role="region" aria-label="The last lines of the log">
        {log
          .toReversed()
          .map(({ time, level, msg, fields }) =>
            `${time.slice(11, 19)} ${level.toUpperCase().padEnd(5)} ${msg} ${fieldsOf(fields)}`.trimEnd(),
          )
          .join("\n")}
      </div>
    </section>
  );
}

const fieldsOf = (fields: Record<string, unknown>): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ")
    .slice(0, 400);
