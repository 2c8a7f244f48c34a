// `/api/v1/oracle/epochs`: what the oracle published, for everybody to check against the chain.
import type { Db } from "../../db/open.ts";
import { listEpochs, type PublishedEpoch, proveLeaf, showEpoch } from "../../settlement/oracle.ts";
import { errorResponse } from "../errors.ts";
import type { Call, HttpRoute } from "../routes.ts";

const MOST_LISTED = 100;

export const oracleRoutes = (db: Db): HttpRoute[] => [
  {
    method: "GET",
    path: "/api/v1/oracle/epochs",
    tier: "public",
    summary: "Epochs whose scores and earnings were published, newest first; before=N for older ones.",
    handle: (call) => epochs(db, call),
  },
  {
    method: "GET",
    path: "/api/v1/oracle/epochs/:n",
    tier: "public",
    summary:
      "An epoch with all its leaves, whose Merkle root (RFC 6962, over sha256 of each leaf) stands on the chain.",
    handle: (call) => epoch(db, call),
  },
  {
    method: "GET",
    path: "/api/v1/oracle/epochs/:n/nodes/:pubkey",
    tier: "public",
    summary: "A node's leaf of an epoch, with the path that proves it.",
    handle: (call) => leaf(db, call),
  },
];

const numberOf = (text: string | null | undefined): number | null => {
  const n = Number(text);
  return text != null && /^\d{1,9}$/.test(text) && Number.isSafeInteger(n) ? n : null;
};
const unknown = () => errorResponse("epoch_not_found", "nothing was published of that epoch or node", { param: "n" });

async function epochs(db: Db, { query }: Call): Promise<Response> {
  const before = query.get("before");
  const found = await listEpochs({ db }, MOST_LISTED, numberOf(before) ?? undefined);
  return Response.json({ epochs: found.map(view) });
}

async function epoch(db: Db, { params }: Call): Promise<Response> {
  const n = numberOf(params.n);
  const found = n === null ? null : await showEpoch({ db }, n);
  return found ? Response.json({ ...view(found), leaves: found.leaves }) : unknown();
}

async function leaf(db: Db, { params }: Call): Promise<Response> {
  const n = numberOf(params.n);
  const found = n === null ? null : await proveLeaf({ db }, n, params.pubkey ?? "");
  if (!found) return unknown();
  const { leaf: text, digest, index, path } = found;
  return Response.json({ ...view(found), leaf: text, digest, index, path });
}

const view = ({ epoch: n, startMs, endMs, nodes, root, memo, signature }: PublishedEpoch) => ({
  epoch: n,
  start_ms: startMs,
  end_ms: endMs,
  nodes,
  root,
  /** What the transaction says; the transaction, once it is final. */
  memo,
  signature,
});
