// Stake: what a node put up, releasing and slashing of it, and what waits for others' signatures.
import { Act } from "../../parts/act.tsx";
import { ActForm } from "../../parts/act-form.tsx";
import { Code } from "../../parts/code.tsx";
import { type Fault, Field, FormFault } from "../../parts/field.tsx";
import type { Markup } from "../../parts/markup.ts";
import {
  Body,
  Card,
  Copy,
  Empty,
  Fact,
  Facts,
  Figure,
  Figures,
  Notice,
  Status,
  type Tone,
} from "../../parts/parts.tsx";
import { Head, LiveState, Shell, type Viewer } from "../../parts/shell.tsx";
import { dollars, Name, NONE, plainName, shortKey, When } from "../../parts/text.tsx";

type MoveLine = {
  id: string;
  act: "create" | "deposit" | "release" | "slash";
  /** µ$. */
  amount: bigint;
  reason: string;
  createdMs: number;
  state: "signing" | "sending" | "done" | "failed" | "expired";
  signature: string | null;
  error: string | null;
  sign: { transaction: string; missing: readonly string[] } | null;
};
export type StakeForm = {
  /** Sent twice with it, it moves once. */
  id: string;
  fields: Readonly<Record<string, string>>;
  act: "release" | "slash" | "submit" | null;
  fault: Fault | null;
  /** µ$ that are to be confirmed. */
  asks: bigint | null;
};
export type StakeView = {
  viewer: Viewer;
  node: string;
  name: string | null;
  kind: "pledge" | "multisig";
  wallet: string;
  tokenAccount: string;
  multisig: string | null;
  arbiter: string | null;
  settlement: string;
  treasury: string | null;
  /** µ$ that could be slashed, by what is final. */
  amount: bigint;
  unspendable: string | null;
  balance: bigint | null;
  cap: bigint | null;
  /** What a node needs to have work. */
  minimum: bigint;
  observedMs: number | null;
  moves: readonly MoveLine[];
  form: StakeForm;
};
type Seen = Omit<StakeView, "viewer" | "form">;

const TYPED = 8;
const pathOf = ({ node }: Seen): string => `/admin/money/stakes/${node}`;
const nameOf = ({ name, node }: Seen): string => (name ? plainName(name, 40) : shortKey(node));

export function StakePage(view: StakeView): Markup {
  const { form } = view;
  const parts = stakeParts(view);
  return (
    <Shell viewer={view.viewer} title={`Stake of ${nameOf(view)}`} live={`/live/stake/${view.node}`}>
      <Head
        title={`Stake of ${nameOf(view)}`}
        crumb={{ href: "/admin/money/chain", label: "Chain" }}
        note={view.kind === "pledge" ? "Pledge, its owner may revoke it" : "Enforceable, two of three sign"}
      >
        <LiveState />
      </Head>
      {form.asks !== null && form.act !== null && form.act !== "submit" ? (
        <Sure {...view} act={form.act} asks={form.asks} />
      ) : (
        <>
          {parts["stake-state"]}
          <div class="cols">
            <div class="stack">
              {parts["stake-moves"]}
              {view.kind === "multisig" && <Submit {...view} />}
              <About {...view} />
            </div>
            <div class="stack">
              <MoveForm {...view} act="slash" />
              {view.kind === "multisig" ? <MoveForm {...view} act="release" /> : <TakenBack {...view} />}
              <Forget {...view} />
            </div>
          </div>
        </>
      )}
    </Shell>
  );
}

/** What changes while the page is open, by the id of its element. */
export const stakeParts = (view: Seen) => ({
  "stake-state": <State {...view} />,
  "stake-moves": <Moves {...view} />,
});

const UNSPENDABLE: Readonly<Record<string, string>> = {
  gone: "The token account is gone.",
  other_owner: "The token account belongs to somebody else now.",
  frozen: "The token's issuer froze the account.",
  revoked: "Its owner revoked the approval.",
  other_delegate: "Somebody else is approved now.",
};

const State = (view: Seen): Markup => (
  <div id="stake-state" class="stack">
    {view.unspendable !== null && (
      <Notice tone="warn" title="Nothing can be taken of it">
        {UNSPENDABLE[view.unspendable] ?? `${view.unspendable.replaceAll("_", " ")}.`}
      </Notice>
    )}
    <Figures>
      <Figure
        label="At stake"
        value={dollars(view.amount)}
        note={view.minimum === 0n ? "no minimum here" : `${dollars(view.minimum)} needed to have work`}
      />
      <Figure label="In its account" value={view.balance === null ? NONE : dollars(view.balance)} />
      {view.kind === "pledge" && (
        <Figure
          label="Cap"
          value={view.cap === null ? NONE : dollars(view.cap)}
          note="the most its owner lets be taken"
        />
      )}
      <Figure
        label="State"
        value={view.unspendable === null ? "There" : "Not there"}
        note={view.amount >= view.minimum ? "enough to have work" : "too little to have work"}
      />
    </Figures>
  </div>
);

const MOVES: Record<MoveLine["state"], [Tone, string]> = {
  signing: ["wait", "Waits for a signature"],
  sending: ["live", "On its way"],
  done: ["ok", "Final"],
  failed: ["bad", "Failed, nothing moved"],
  expired: ["off", "Expired, nothing moved"],
};
const ACTS: Record<MoveLine["act"], string> = {
  create: "Opened",
  deposit: "Put in",
  release: "Release",
  slash: "Slash",
};

const Moves = (view: Seen): Markup => (
  <section class="card" id="stake-moves" aria-labelledby="stake-moves-h">
    <header>
      <h2 id="stake-moves-h">Releases and slashes</h2>
    </header>
    {view.moves.length === 0 ? (
      <Empty icon="coin" title="None yet">
        What is given back and taken of this stake stands here, with why.
      </Empty>
    ) : (
      <ul class="list">
        {view.moves.map((move) => (
          <li id={`m-${move.id.slice(0, 24)}`}>
            <div>
              <b>{`${ACTS[move.act]} ${dollars(move.amount)}`}</b>{" "}
              <Status tone={MOVES[move.state][0]}>{MOVES[move.state][1]}</Status>
              <p class="note">
                <When ms={move.createdMs} />
                {" · "}
                <Name of={move.reason} max={512} />
              </p>
              {move.error !== null && (
                <p class="note">
                  <Name of={move.error} max={200} />
                </p>
              )}
              {move.signature !== null && (
                <p class="note">
                  <code>{`${move.signature.slice(0, 20)}…`}</code>{" "}
                  <Copy text={move.signature} label={`Copy the transaction of ${move.id.slice(0, 8)}`} />
                </p>
              )}
              {move.sign !== null && <ToSign view={view} id={move.id} sign={move.sign} />}
            </div>
          </li>
        ))}
      </ul>
    )}
  </section>
);

/** What this instance cannot finish alone. */
const ToSign = ({ view, id, sign }: { view: Seen; id: string; sign: NonNullable<MoveLine["sign"]> }): Markup => (
  <div class="stack">
    <p>
      The coordinator signed. Still to sign:{" "}
      {sign.missing.map((address) => (
        <>
          <b>{address === view.wallet ? "the node's wallet" : address === view.arbiter ? "the arbiter" : "somebody"}</b>{" "}
          <code class="wrap">{address}</code>
        </>
      ))}
      {". "}The coordinator has no key of theirs. The transaction lands for about a minute; after that nothing of it
      moves, and it is made anew.
    </p>
    <Code id={`t-${id.slice(0, 24)}`} name="Transaction to sign, in base64" text={sign.transaction} />
    <p class="note">Once they have signed it, they send it themselves, or paste it below, or run</p>
    <Code id={`c-${id.slice(0, 24)}`} name="Command that sends it" text="infernet stake submit SIGNED_TRANSACTION" />
  </div>
);

const Submit = (view: StakeView): Markup => {
  const fault = view.form.act === "submit" ? view.form.fault : null;
  return (
    <Card id="submit" title="Send what all have signed">
      <Body>
        <ActForm
          action={`${pathOf(view)}/submit`}
          csrf={view.viewer.human?.csrf ?? ""}
          fields
          label="Signed transaction"
        >
          <Field
            name="transaction"
            label="The signed transaction, in base64"
            value={view.form.act === "submit" ? view.form.fields.transaction : ""}
            fault={fault}
            max={2_048}
          />
          <button type="submit">Send it</button>
        </ActForm>
      </Body>
    </Card>
  );
};

const Copied = ({ text, label }: { text: string; label: string }): Markup => (
  <>
    <code class="wrap">{text}</code> <Copy text={text} label={label} />
  </>
);

const About = (view: StakeView): Markup => (
  <Card id="about" title="What it is">
    <Body>
      <Facts>
        <Fact name="Node">
          <a href={`/nodes/${view.node}`}>{view.name ? <Name of={view.name} /> : <code>{shortKey(view.node)}</code>}</a>
        </Fact>
        <Fact name="Wallet">
          <Copied text={view.wallet} label="Copy the wallet" />
        </Fact>
        <Fact name="Token account">
          <Copied text={view.tokenAccount} label="Copy the token account" />
        </Fact>
        {view.multisig !== null && (
          <Fact name="Multisig">
            <Copied text={view.multisig} label="Copy the multisig" />
          </Fact>
        )}
        {view.arbiter !== null && (
          <Fact name="Arbiter">
            <Copied text={view.arbiter} label="Copy the arbiter" />
          </Fact>
        )}
        <Fact name="Settlement key">
          <Copied text={view.settlement} label="Copy the settlement key" />
        </Fact>
        <Fact name="Seen on the chain">{view.observedMs === null ? NONE : <When ms={view.observedMs} />}</Fact>
      </Facts>
    </Body>
  </Card>
);

const WORDS = {
  slash: {
    title: "Slash",
    pledge: "Taken at once from the pledge, into the treasury.",
    multisig: "Signed here for the treasury. The arbiter's signature is needed, too.",
  },
  release: {
    title: "Release",
    pledge: "",
    multisig: "Signed here, back to the node's wallet. That wallet's signature is needed, too.",
  },
} as const;

function MoveForm(view: StakeView & { act: "slash" | "release" }): Markup {
  const { act, form, kind } = view;
  const mine = form.act === act;
  const fault = mine ? form.fault : null;
  const words = WORDS[act];
  if (act === "slash" && view.treasury === null)
    return (
      <Card id="slash" title="Slash">
        <Body>
          <p class="note">
            What is slashed has to go somewhere: set <code>solana.treasury</code> in config.toml.
          </p>
        </Body>
      </Card>
    );
  return (
    <Card id={act} title={words.title}>
      <Body>
        <p class="note">{words[kind]}</p>
        <ActForm action={pathOf(view)} csrf={view.viewer.human?.csrf ?? ""} fields label={words.title}>
          <FormFault fault={fault} title="Nothing moved" fields={["usd", "reason"]} />
          <input type="hidden" name="act" value={act} />
          <input type="hidden" name="id" value={form.id} />
          <Field
            id={`${act}-usd`}
            name="usd"
            label="Amount in dollars"
            value={mine ? form.fields.usd : ""}
            fault={fault}
            max={32}
            hint={kind === "pledge" ? `At most ${dollars(view.amount)}.` : undefined}
          />
          <Field
            id={`${act}-reason`}
            name="reason"
            label="Reason"
            value={mine ? form.fields.reason : ""}
            fault={fault}
            max={512}
          />
          <button type="submit" class={act === "slash" ? "danger" : undefined}>
            {act === "slash" ? "Slash…" : "Release…"}
          </button>
        </ActForm>
      </Body>
    </Card>
  );
}

const Sure = (view: StakeView & { act: "slash" | "release"; asks: bigint }): Markup => {
  const { act, asks, form } = view;
  const words = WORDS[act];
  return (
    <Card id="sure" title={`${words.title} ${dollars(asks)}?`}>
      <Body>
        <Facts>
          <Fact name="Of">
            <a href={`/nodes/${view.node}`}>{nameOf(view)}</a>
          </Fact>
          <Fact name="At stake">{dollars(view.amount)}</Fact>
          <Fact name="To">
            <code class="wrap">{act === "slash" ? (view.treasury ?? NONE) : view.wallet}</code>
          </Fact>
          <Fact name="Reason">
            <Name of={form.fields.reason ?? ""} max={512} />
          </Fact>
        </Facts>
        <p class="note">{`${words[view.kind]} It stands in the audit log.`}</p>
        <ActForm action={pathOf(view)} csrf={view.viewer.human?.csrf ?? ""} fields label="Confirm">
          <FormFault fault={form.fault} title="Nothing moved" fields={["confirm"]} />
          <input type="hidden" name="act" value={act} />
          <input type="hidden" name="id" value={form.id} />
          <input type="hidden" name="usd" value={form.fields.usd ?? ""} />
          <input type="hidden" name="reason" value={form.fields.reason ?? ""} />
          <Field
            name="confirm"
            label={`Type ${view.node.slice(0, TYPED)}, how the node's key begins`}
            fault={form.fault}
            max={TYPED}
            first
          />
          <div class="row">
            <button type="submit" class={act === "slash" ? "danger" : "act"}>
              {`${words.title} ${dollars(asks)}`}
            </button>
            <a class="button" href={pathOf(view)}>
              Cancel
            </a>
          </div>
        </ActForm>
      </Body>
    </Card>
  );
};

const TakenBack = ({ tokenAccount }: StakeView): Markup => (
  <Card id="release" title="Release">
    <Body>
      <p class="note">
        A pledge is its owner's: they take it back by revoking the approval, in their wallet or by this command. No key
        of this instance can do it for them.
      </p>
      <Code id="revoke" name="Command that revokes the approval" text={`spl-token revoke ${tokenAccount}`} />
    </Body>
  </Card>
);

const Forget = (view: StakeView): Markup => (
  <Card id="forget" title="Forget it">
    <Body>
      <p class="note">The node has no stake here any more. What is on the chain stays as it is.</p>
      <Act
        to={`${pathOf(view)}/forget`}
        csrf={view.viewer.human?.csrf ?? ""}
        look="danger"
        ask={{
          title: `Forget the stake of ${nameOf(view)}?`,
          what: "Where a minimum is needed, the node has no work until it registers one again.",
          act: "Forget stake",
          name: view.node.slice(0, TYPED),
        }}
      >
        Forget stake…
      </Act>
    </Body>
  </Card>
);
