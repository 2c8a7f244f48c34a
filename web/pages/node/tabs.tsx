// Tabs of the admin's pages about nodes.
import type { Markup } from "../../parts/markup.ts";
import { Segments } from "../../parts/parts.tsx";

type Tab = "nodes" | "commands" | "tokens";

export const NodeTabs = ({ here }: { here: Tab }): Markup => (
  <div>
    <Segments
      name="Views of nodes"
      all={[
        { href: "/admin/nodes", label: "Nodes", here: here === "nodes" },
        { href: "/admin/nodes/commands", label: "Commands", here: here === "commands" },
        { href: "/admin/nodes/tokens", label: "Join tokens", here: here === "tokens" },
      ]}
    />
  </div>
);
