// Version card: which version runs, what the feed of releases has, and how that is installed. The same on a coordinator's
// page and on a node's own.
import type { UpdateState } from "../../src/admin/update-operations.ts";
import { Code } from "./code.tsx";
import type { Markup } from "./markup.ts";
import { Card, Csrf, Fact, Facts, Status, Why } from "./parts.tsx";
import { ago, Name } from "./text.tsx";

type Props = {
  update: UpdateState;
  /** Where it is asked to look now. */
  to: string;
  csrf: string;
  nowMs: number;
  /** Why the look that was just asked for found nothing. */
  fault: string | null;
};

/** It is swapped as a whole: `#version-card`. */
export function VersionCard({ update, to, csrf, nowMs, fault }: Props): Markup {
  const { version, target, feed } = update;
  return (
    <Card id="version" title="Version" footer={<Asked update={update} />}>
      <div class="body stack" role="status">
        <Facts>
          <Fact name="Runs">
            infernet {version} {target === null ? "from its sources" : `(${target})`}
          </Fact>
          <Fact name="Newest">
            <Newest update={update} nowMs={nowMs} />
          </Fact>
          <Fact name="Feed">{feed === null ? "none is set" : <Name of={feed} max={120} />}</Fact>
        </Facts>
        <Install update={update} />
        {fault !== null && <Why id="version-why">{fault}</Why>}
        {feed !== null && (
          <form method="post" action={to} hx-post={to} hx-target="#version-card" hx-swap="outerHTML">
            <Csrf token={csrf} />
            <button type="submit" id="version-check" aria-describedby={fault === null ? undefined : "version-why"}>
              Check for updates
            </button>
          </form>
        )}
      </div>
    </Card>
  );
}

function Newest({ update: { found, feed }, nowMs }: { update: UpdateState; nowMs: number }): Markup {
  if (feed === null) return <>not known</>;
  if (found === null) return <>not looked for yet</>;
  const { version, date, checked_ms, order, fits } = found;
  const looked = `looked for ${ago(nowMs - checked_ms)}`;
  if (order === "newer") {
    return (
      <>
        <Status tone={fits ? "wait" : "off"}>infernet {version}</Status>, released {date.slice(0, 10)}, {looked}
      </>
    );
  }
  return (
    <>
      <Status tone="ok">{order === "same" ? "this one" : "this one is newer than the feed's"}</Status>, {looked}
    </>
  );
}

function Install({ update: { found, target } }: { update: UpdateState }): Markup {
  if (found?.order !== "newer") return <></>;
  if (target === null) return <p class="note">It runs from its sources here: update those with git.</p>;
  if (!found.fits) {
    return (
      <p class="note">
        That release has no executable for {target}: build it from its sources, or wait for the next one.
      </p>
    );
  }
  return (
    <>
      <p class="note">
        Run these on its machine, as the user that the executable belongs to. The first puts the new version in place
        and keeps this one (<code>infernet update --rollback</code> goes back); the second ends what runs here and
        starts the new one. In a container take a newer image instead.
      </p>
      <Code id="install" name="Install the update" text={"infernet update\ninfernet restart"} />
    </>
  );
}

/** Who looks, and when: nobody is called without being asked. */
const Asked = ({ update: { feed, daily } }: { update: UpdateState }): Markup =>
  feed === null ? (
    <p class="note">
      Name the folder of your releases with <code>[update] feed</code> in config.toml, and start again.
    </p>
  ) : daily ? (
    <p class="note">
      It is looked at once a day (<code>[update] check</code>). Nothing is installed by itself.
    </p>
  ) : (
    <p class="note">
      It is looked at when you ask, and never by itself. <code>[update] check = true</code> has it looked at once a day.
    </p>
  );
