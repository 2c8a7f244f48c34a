// Own node: a node's own small dashboard: whether it serves, what it does and did, what it earns, what it is made of.
import type { NodeView } from "../../../src/dashboard/node/view.ts";
import { OPEN_SCRIPT, PRICES_SCRIPT } from "../../parts/assets.ts";
import type { Markup } from "../../parts/markup.ts";
import { Csrf, Empty, Figure, Figures, Status, type Tone } from "../../parts/parts.tsx";
import { Document, Head, LiveState, PlainTop } from "../../parts/shell.tsx";
import { dollars, duration, Name, NONE, number, plural } from "../../parts/text.tsx";
import { VersionCard } from "../../parts/version-card.tsx";
import { DeviceCard, LogCard } from "./device.tsx";
import { Jobs } from "./jobs.tsx";
import { Backends, Coordinators, Earnings } from "./links.tsx";
import { Days, Models } from "./models.tsx";
import { Settings } from "./settings.tsx";

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
    <Document title={`Node ${view.name}`} csrf={csrf} bar={<PlainTop />} live="/live/node" scripts={[PRICES_SCRIPT]}>
      <Head title={<Name of={view.name} />} note={HeadNote(view)}>
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
          <Settings view={view} csrf={csrf} />
        </div>
        <div class="stack">
          {parts.coordinators}
          {parts.earnings}
          {parts.backends}
          <DeviceCard view={view} />
          <OwnVersion view={view} csrf={csrf} />
        </div>
      </div>
    </Document>
  );
};

export const OwnVersion = ({
  csrf,
  view: { update, updateFault, nowMs },
}: {
  csrf: string;
  view: NodeView;
}): Markup => <VersionCard update={update} fault={updateFault} to="/version/check" csrf={csrf} nowMs={nowMs} />;

/** What is newer than what runs, in the page's head, until it runs. */
function HeadNote({ version, update: { found } }: NodeView): Markup {
  const isNewer = found !== null && found.order === "newer" && found.fits;
  return (
    <>
      infernet {version}
      {isNewer && (
        <>
          {" · "}
          <a href="#version">infernet {found.version} is there</a>
        </>
      )}
    </>
  );
}

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

/** Ready, and yet nothing comes: that is told apart. */
function standingOf({ standing, running, models, backends, coordinators }: NodeView): [Tone, string] {
  if (standing.status !== "available") return ["off", standing.reason ?? standing.status];
  if (running.length > 0) return ["live", "Serving"];
  if (models.length === 0 || !backends.some(({ healthy }) => healthy)) return ["warn", "Serves nothing"];
  return coordinators.some(({ state }) => state === "connected") ? ["ok", "Ready"] : ["warn", "No coordinator"];
}

function Standing({ view }: { view: NodeView }): Markup {
  const serves = view.standing.status === "available";
  const [tone, word] = standingOf(view);
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
