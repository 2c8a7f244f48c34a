// Deeds: what can be done about a node, in the page's head.
import type { NodeInner, NodeShown } from "../../../src/dashboard/nodes/shown.ts";
import type { CommandGroup } from "../../../src/protocol/commands.ts";
import { Act } from "../../parts/act.tsx";
import type { Markup } from "../../parts/markup.ts";
import { plainName, plural } from "../../parts/text.tsx";

type Props = { node: NodeShown; inner: NodeInner; csrf: string | null };

export function Deeds({ node, inner, csrf }: Props): Markup {
  const at = `/nodes/${node.pubkey}`;
  const { status } = inner.row;
  const admin = node.right === "admin";
  return (
    <div class="row" id="node-deeds">
      {status === "approved" && inner.row.role === "provider" && <Work node={node} inner={inner} csrf={csrf} />}
      {admin && status === "pending" && (
        <Act to={`${at}/approve`} csrf={csrf} look="act" id="approve">
          Approve
        </Act>
      )}
      {admin && status === "ejected" && (
        <Act to={`${at}/allow`} csrf={csrf} look="act" id="allow">
          Let it in again
        </Act>
      )}
      {admin && status !== "ejected" && <Eject node={node} csrf={csrf} pending={status === "pending"} />}
    </div>
  );
}

/** Of a node that works here. */
function Work({ node, inner: { own, standing, row, refuses }, csrf }: Props): Markup {
  const at = `/nodes/${node.pubkey}`;
  if (row.transport !== "link") return <></>;
  const held = standing === "draining" || standing === "paused";
  // The node of this very process is asked directly, and remembers it over a restart.
  const [hold, free] = own && node.right === "admin" ? (["pause", "resume"] as const) : (["drain", "resume"] as const);
  const direct = own && node.right === "admin";
  const takes = (group: CommandGroup) => !refuses.includes(group);
  return (
    <>
      {(direct || takes(held ? "resume" : "drain")) &&
        (held ? (
          <Act
            to={direct ? `${at}/resume` : `${at}/command`}
            fields={direct ? {} : { command: free }}
            csrf={csrf}
            id="resume"
          >
            Resume
          </Act>
        ) : (
          <Act
            to={direct ? `${at}/pause` : `${at}/command`}
            fields={direct ? {} : { command: hold }}
            csrf={csrf}
            id="hold"
          >
            {direct ? "Pause" : "Drain"}
          </Act>
        ))}
      {!direct && takes("refresh") && (
        <Act to={`${at}/command`} fields={{ command: "refresh" }} csrf={csrf} id="refresh">
          Refresh
        </Act>
      )}
      {!direct && takes("restart") && (
        <Act
          to={`${at}/command`}
          fields={{ command: "restart" }}
          csrf={csrf}
          id="restart"
          ask={{
            title: `Restart ${plainName(node.name)}?`,
            what: `Its program stops and starts again. ${moved(node.running)}`,
            act: "Restart node",
            keep: "Leave it",
          }}
        >
          Restart…
        </Act>
      )}
    </>
  );
}

const moved = (running: number): string =>
  running === 0
    ? "Nothing runs there now."
    : `${plural(running, "running job moves", "running jobs move")} to other nodes.`;

const TYPED_CHARS = 32;
/** Its name, or where nobody could type that, how its key begins. */
const typedFor = ({ name, pubkey }: NodeShown): string =>
  /^[\x20-\x7e]+$/.test(name) && name === plainName(name, TYPED_CHARS) ? name : pubkey.slice(0, 8);

function Eject({ node, csrf, pending }: { node: NodeShown; csrf: string | null; pending: boolean }): Markup {
  const name = plainName(node.name);
  return (
    <Act
      to={`/nodes/${node.pubkey}/eject`}
      csrf={csrf}
      look="danger"
      id="eject"
      ask={
        pending
          ? { title: `Refuse ${name}?`, what: "Its key is refused until you let it in.", act: "Refuse node" }
          : {
              title: `Eject ${name}?`,
              what: `${moved(node.running)} Its key is refused until you let it in again.`,
              act: "Eject node",
              name: typedFor(node),
            }
      }
    >
      {pending ? "Refuse…" : "Eject…"}
    </Act>
  );
}
