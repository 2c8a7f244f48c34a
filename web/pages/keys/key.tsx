// Key: one API key, with its limits and what is left of them.
import type { KeyRow } from "../../../src/admin/operations.ts";
import type { Spend } from "../../../src/http/key-spend.ts";
import type { Markup } from "../../parts/markup.ts";
import { Body, Card, Csrf, Fact, Facts, Score, Select, Status, Tag } from "../../parts/parts.tsx";
import { Head, Shell } from "../../parts/shell.tsx";
import { Ago, dollars, Name, number, plainName, When } from "../../parts/text.tsx";
import { type Around, Ends, type KeyView, Revoke, share, toneOf } from "./list.tsx";

export const Key = ({ viewer, row: key, spend, isGood, mayChange, nowMs }: Around & KeyView): Markup => (
  <Shell viewer={viewer} title={`Key ${plainName(key.name)}`}>
    <Head title={<Name of={key.name} />} crumb={{ href: "/keys", label: "Keys" }}>
      <Status tone={isGood ? "ok" : "off"}>
        {isGood ? "In force" : key.revoked_ms === null ? "Ended" : "Revoked"}
      </Status>
      {isGood && mayChange && viewer.human && <Revoke keyRow={key} csrf={viewer.human.csrf} />}
    </Head>
    <div class="cols">
      <div class="stack">
        <Card id="limits" title="Limits">
          <Body>
            <Limit name="Spending a day" spend={spend.day} />
            <Limit name="Spending in all" spend={spend.total} />
            <Facts>
              <Fact name="Requests a minute">{limitWords(key.requests_per_minute)}</Fact>
              <Fact name="Tokens a minute">{limitWords(key.tokens_per_minute)}</Fact>
            </Facts>
          </Body>
        </Card>
        {isGood && mayChange && viewer.human && <Rotate keyRow={key} csrf={viewer.human.csrf} />}
      </div>
      <Card id="facts" title="Key">
        <Body>
          <Facts>
            <Fact name="Begins with">
              <code>{key.prefix}</code>
            </Fact>
            <Fact name="Made">
              <When ms={key.created_ms} />
            </Fact>
            <Fact name="Last used">
              {key.last_used_ms === null ? "Never" : <Ago ms={key.last_used_ms} nowMs={nowMs} />}
            </Fact>
            <Fact name="Ends">
              <Ends keyRow={key} isGood={isGood} />
            </Fact>
            <Fact name="For">{key.role === "operator" ? "Workers that serve models" : "Clients"}</Fact>
            {key.role === "client" && (
              <>
                <Fact name="May">
                  <Names of={key.scopes} none="Everything" />
                </Fact>
                <Fact name="Models">
                  <Names of={key.models} none="All" />
                </Fact>
                <Fact name="Pools">
                  <Names of={key.pools} none="Public" />
                </Fact>
              </>
            )}
          </Facts>
        </Body>
      </Card>
    </div>
  </Shell>
);

const limitWords = (limit: number | null): string => (limit === null ? "Not limited" : number(limit));
const Names = ({ of, none }: { of: readonly string[]; none: string }): Markup =>
  of.length === 0 ? (
    <span>{none}</span>
  ) : (
    <span class="row tags">
      {of.map((name) => (
        <Tag>
          <Name of={name} />
        </Tag>
      ))}
    </span>
  );
const Limit = ({ name, spend }: { name: string; spend: Spend | null }): Markup =>
  spend === null ? (
    <Facts>
      <Fact name={name}>Not limited</Fact>
    </Facts>
  ) : (
    <Score
      label={name}
      value={`${dollars(spend.used)} of ${dollars(spend.limit)}`}
      share={share(spend)}
      says={`${name}: ${dollars(spend.used)} of ${dollars(spend.limit)}`}
      note={spend.remaining === 0 ? "Nothing is left: requests are refused." : undefined}
      {...toneOf(spend)}
    />
  );

const OVERLAPS = [
  ["86400", "One more day"],
  ["3600", "One more hour"],
  ["604800", "One more week"],
  ["0", "No longer"],
] as const;

const Rotate = ({ keyRow: { id }, csrf }: { keyRow: KeyRow; csrf: string }): Markup => (
  <Card id="rotate" title="Rotate">
    <form class="body stack" method="post" action={`/keys/${encodeURIComponent(id)}/rotate`}>
      <Csrf token={csrf} />
      <p class="note">
        A new key takes over, with the same rights, limits and spending. Change your programs meanwhile.
      </p>
      <div class="row">
        <Select name="overlap_s" label="The old key stays good" value="86400" options={OVERLAPS} />
        <button type="submit">Rotate key</button>
      </div>
    </form>
  </Card>
);
