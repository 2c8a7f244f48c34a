// Rights: what somebody may see of a node, and whether they may command it.
import type { Human } from "../../http/routes.ts";
import type { Node } from "../../registry/registry.ts";
import type { NodeRow } from "../../registry/schema.ts";
import { mayUse, PUBLIC_POOL } from "../../scheduler/wishes.ts";
import { isAdmin, mayRun } from "../viewer.ts";

/** `owner`: whoever acts for the account that the node belongs to. */
export type Right = "public" | "owner" | "admin";

type Row = Pick<NodeRow, "accountId" | "role" | "status" | "pool">;

/** Null where they may not know of it. Everybody may see a node that serves everybody. */
export function rightTo(human: Human | null, row: Row, node: Pick<Node, "pool"> | undefined): Right | null {
  if (isAdmin(human)) return "admin";
  if (mayRun(human, row.accountId)) return "owner";
  const serves = row.role === "provider" && row.status === "approved";
  return serves && mayUse({ pools: [] }, node?.pool ?? (row.pool || PUBLIC_POOL)) ? "public" : null;
}

/** Members of an organisation look on; its owners act. */
export const mayAct = (human: Human | null, right: Right): boolean =>
  right === "admin" || (right === "owner" && human?.memberRole === "owner");

/** Tokens let in nodes of the account that one acts for. */
export const mayMakeTokens = ({ user: { roles }, memberRole }: Human): boolean =>
  memberRole === "owner" && (roles.includes("operator") || roles.includes("admin"));
