// Job cards: beside a job's timeline: why that node, the money, the content, who is told of its end.
import type { Child } from "hono/jsx";
import type { Said } from "../../src/dashboard/jobs/content.ts";
import type { JobShown } from "../../src/dashboard/jobs/shown.ts";
import type { WebhookView } from "../../src/jobs/webhooks.ts";
import type { Why } from "../../src/scheduler/choose.ts";
import { NodeLink } from "./job-state.tsx";
import type { Markup } from "./markup.ts";
import { Body, Card, Empty, Fact, Facts, Status, Tag, Th, type Tone } from "./parts.tsx";
import { dollars, Name, NONE, number, plainName, plural, shortKey, When } from "./text.tsx";

const STRATEGIES = {
  balanced: "balanced",
  cheapest: "the cheapest",
  fastest: "the fastest",
  latency: "the quickest to begin",
} as const;

type Compared = { pubkey: string; name: string; of: NonNullable<Why["other"]>; tags: readonly string[] };

/** Why it went where it is, or was last. */
export function WhyNode({ job, reason }: { job: JobShown; reason: string | null }): Markup {
  const last = job.attempts.at(-1);
  if (!last || reason === null) {
    return (
      <Card id="why" title="Why this node">
        <Body>
          <p class="note">{job.live ? "No node has it yet." : "No node had it."}</p>
        </Body>
      </Card>
    );
  }
  const { why } = last;
  const all: Compared[] = [
    { pubkey: last.node, name: last.node_name, of: { node: last.node, ...why }, tags: tagsOf(why) },
  ];
  if (why.other) {
    const { node } = why.other;
    all.push({ pubkey: node, name: job.names.get(node) ?? shortKey(node), of: why.other, tags: [] });
  }
  return (
    <Card
      id="why"
      title={`Why ${plainName(last.node_name, 24)}`}
      footer={<span>{`Strategy: ${STRATEGIES[why.strategy]}`}</span>}
    >
      <div class="scroll" tabindex={0} role="region" aria-label="Candidates">
        <table>
          <thead>
            <tr>
              <Th>Candidate</Th>
              <Th n>In use</Th>
              <Th n>Tok/s</Th>
              <Th n>In, out</Th>
            </tr>
          </thead>
          <tbody>
            {all.map(({ pubkey, name, of, tags }) => (
              <tr>
                <td>
                  <NodeLink pubkey={pubkey} name={name} />
                  {tags.map((tag) => (
                    <>
                      {" "}
                      <Tag>{tag}</Tag>
                    </>
                  ))}
                </td>
                <td class="n">{`${number(of.load * 100)} %`}</td>
                <td class="n">{of.tokens_per_s > 0 ? number(of.tokens_per_s) : NONE}</td>
                <td class="n">{priceWords(of)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <Body>
        <p class="note">{reason}</p>
      </Body>
    </Card>
  );
}

const tagsOf = (why: Why): string[] => [
  ...(why.affinity === "session" || why.affinity === "prefix" ? ["cache"] : []),
  ...(why.probe ? ["probe"] : []),
  ...(why.last_resort ? ["last left"] : []),
];
/** Per million tokens. */
const priceWords = ({ price_input: input, price_output: output }: NonNullable<Why["other"]>): string =>
  input === 0 && output === 0 ? "free" : `${dollars(input)}, ${dollars(output)}`;

export function Money({ job }: { job: JobShown }): Markup {
  const { billing, charged, held, receipts, live } = job;
  if (!billing && charged === null) {
    return (
      <Card id="money" title="Money">
        <Body>
          <p class="note">Nothing is charged here.</p>
        </Body>
      </Card>
    );
  }
  const fee = receipts.reduce((sum, one) => sum + BigInt(one.fee), 0n);
  const nameOf = (pubkey: string) => job.attempts.find(({ node }) => node === pubkey)?.node_name ?? shortKey(pubkey);
  const footer =
    receipts.length === 0
      ? {}
      : { footer: <a href={`/jobs/${job.id}/receipts`}>{plural(receipts.length, "receipt")}</a> };
  return (
    <Card id="money" title="Money" {...footer}>
      <Body>
        <Facts>
          {held !== null && live && (
            <Fact name="Held">
              <span class="num">{dollars(held)}</span>
            </Fact>
          )}
          {receipts.map((one) => (
            <Fact name={plainName(nameOf(one.node), 24)}>
              <span class="num">{dollars(one.nodeAmount)}</span>
            </Fact>
          ))}
          {receipts.length > 0 && (
            <Fact name={`Fee, ${number(job.feeBps / 100, job.feeBps % 100 === 0 ? 0 : 2)} %`}>
              <span class="num">{dollars(fee)}</span>
            </Fact>
          )}
          <Fact name="Charged">
            <b class="num">{charged === null ? (live ? "at the end" : NONE) : dollars(charged)}</b>
          </Fact>
        </Facts>
      </Body>
    </Card>
  );
}

export function Content({ job }: { job: JobShown }): Markup {
  const { content } = job;
  switch (content.kind) {
    case "private":
      return (
        <Nothing title="Not yours to read">
          What is asked and answered is for the account that asked. Admins see when, where and how much, and no more.
        </Nothing>
      );
    case "not kept":
      return (
        <Nothing title="Not kept">
          Chats live in memory until they end. Send a job by <code>POST /api/v1/jobs</code> where its answer is to be
          kept for a while.
        </Nothing>
      );
    case "deleted":
      return <Nothing title="Deleted">It was kept for as long as this instance keeps such content.</Nothing>;
    case "live":
      return (
        <Card id="content" title="Content" aside={<span class="note">In memory only, until it ends</span>}>
          <div class="talk" tabindex={0} role="region" aria-label="What was said">
            <Answer text={content.answer} busy={job.live} />
          </div>
        </Card>
      );
    case "kept":
      return (
        <Card
          id="content"
          title="Content"
          aside={
            content.expiresMs === null ? undefined : (
              <span class="note">
                Kept until <When ms={content.expiresMs} />
              </span>
            )
          }
        >
          <div class="talk" tabindex={0} role="region" aria-label="What was said">
            {content.more > 0 && <p class="note">{`${plural(content.more, "earlier message")} left out`}</p>}
            {content.asked.map((said) => (
              <Message said={said} />
            ))}
            {content.answer !== null && <Answer text={content.answer} busy={job.live} />}
            {content.answer === null && <p class="note">{job.live ? "No answer yet." : "There is no answer."}</p>}
          </div>
        </Card>
      );
  }
}

const Nothing = ({ title, children }: { title: string; children?: Child }): Markup => (
  <Card id="content" title="Content">
    <Empty icon="log" title={title}>
      {children}
    </Empty>
  </Card>
);

const Message = ({ said: { role, text } }: { said: Said }): Markup =>
  role === "user" ? (
    <p class="you answer">
      <bdi>{text}</bdi>
    </p>
  ) : (
    <div>
      <p class="note">
        <Name of={role} max={24} />
      </p>
      <p class="answer">
        <bdi>{text}</bdi>
      </p>
    </div>
  );
const Answer = ({ text, busy }: { text: string; busy: boolean }): Markup => (
  <p class="answer" id="answer" aria-busy={busy ? "true" : undefined}>
    <bdi>{text}</bdi>
  </p>
);

const DELIVERY: Readonly<Record<WebhookView["status"], readonly [tone: Tone, word: string]>> = {
  waiting: ["wait", "Waits for the job's end"],
  pending: ["live", "Being delivered"],
  delivered: ["ok", "Delivered"],
  failed: ["bad", "Given up"],
};

/** Who is told of the job's end, and whether they took it. Hidden where nobody is. */
export function Webhook({ webhook }: { webhook: WebhookView | null }): Markup {
  if (webhook === null) return <section id="webhook-card" hidden></section>;
  const [tone, word] = DELIVERY[webhook.status];
  return (
    <Card id="webhook" title="Webhook" aside={<Status tone={tone}>{word}</Status>}>
      <Body>
        <Facts>
          <Fact name="Address">
            {webhook.url === null ? "cannot be read any more" : <Name of={webhook.url} max={120} />}
          </Fact>
          {webhook.tries > 0 && <Fact name="Tries">{number(webhook.tries)}</Fact>}
          {webhook.next_try_ms !== null && webhook.tries > 0 && (
            <Fact name="Next try">
              <When ms={webhook.next_try_ms} />
            </Fact>
          )}
        </Facts>
        {webhook.error !== null && (
          <p class="note">
            Last answer: <Name of={webhook.error} max={300} />
          </p>
        )}
      </Body>
    </Card>
  );
}
