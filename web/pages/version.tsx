// Version: which version this instance runs, and what the feed of releases has.
import type { UpdateState } from "../../src/admin/update-operations.ts";
import type { Markup } from "../parts/markup.ts";
import { Head, Shell, type Viewer } from "../parts/shell.tsx";
import { VersionCard } from "../parts/version-card.tsx";

const VERSION_PATH = "/admin/version";

type VersionView = { update: UpdateState; fault: string | null; nowMs: number };

export const Version = ({ viewer, view }: { viewer: Viewer; view: VersionView }): Markup => (
  <Shell viewer={viewer} title="Version">
    <Head
      title="Version"
      crumb={{ href: "/admin", label: "Overview" }}
      note="Of this instance; other coordinators are updated on their machines."
    />
    <InstanceVersion view={view} csrf={viewer.human?.csrf ?? ""} />
  </Shell>
);

export const InstanceVersion = ({ view, csrf }: { view: VersionView; csrf: string }): Markup => (
  <VersionCard {...view} to={`${VERSION_PATH}/check`} csrf={csrf} />
);
