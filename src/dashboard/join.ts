// Join: how a machine becomes a node here, by who is let in.
import type { Join } from "../../web/pages/home.tsx";
import type { Human } from "../http/routes.ts";
import type { DashboardDeps } from "./deps.ts";

type Deps = Pick<DashboardDeps, "registration" | "coordinator">;

export const joinOf = ({ registration, coordinator }: Deps, address: string, human: Human | null): Join => ({
  registration,
  tokensAt: human?.user.roles.some((role) => role === "operator" || role === "admin") ? "/my/join-tokens" : null,
  command:
    registration === "token"
      ? "infernet setup --join TOKEN\ninfernet start"
      : `infernet setup --mode node --node-coordinators \\\n  '[{ "url": "${address}", "pubkey": "${coordinator}" }]'\ninfernet start`,
});
