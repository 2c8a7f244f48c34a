// Shown: a key the only time that it is shown, with calls to paste.
import { Code } from "../../parts/code.tsx";
import type { Markup } from "../../parts/markup.ts";
import { Body, Card, Copy, Notice } from "../../parts/parts.tsx";
import { Head, Shell } from "../../parts/shell.tsx";
import { plainName, When } from "../../parts/text.tsx";
import { examples } from "../examples.ts";
import type { Around } from "./list.tsx";

type KeyShownView = Around & {
  id: string;
  secret: string;
  name: string;
  /** The key that it takes over from. */
  old: { endsMs: number } | null;
  /** Null for workers' keys. */
  example: { address: string; model: string } | null;
};
export const KeyShown = ({ viewer, id, secret, name, old, example }: KeyShownView): Markup => (
  <Shell viewer={viewer} title="Your new key">
    <Head title="Your new key" crumb={{ href: "/keys", label: "Keys" }} />
    <Card
      id="secret"
      title={plainName(name)}
      aside={<Copy text={secret} label="Copy the key" />}
      footer={
        <>
          <span>It is shown this once.</span>
          <a href={`/keys/${encodeURIComponent(id)}`}>See its limits</a>
        </>
      }
    >
      <Body>
        <p class="secret" id="new-key">
          {secret}
        </p>
        <Notice tone="warn" title="Keep it now">
          Nobody can show it again, here or elsewhere. Whoever has it asks in your name.
          {old !== null && (
            <>
              {" "}
              The old key ends <When ms={old.endsMs} />.
            </>
          )}
        </Notice>
      </Body>
    </Card>
    {example && <Examples secret={secret} {...example} />}
  </Shell>
);

const Examples = ({ secret, address, model }: { secret: string; address: string; model: string }): Markup => {
  const filled = (text: string): string =>
    text
      .replaceAll("$INFERNET_API_KEY", secret)
      .replaceAll(/os\.environ\["INFERNET_API_KEY"\]|process\.env\.INFERNET_API_KEY/g, JSON.stringify(secret));
  const streaming = examples({ address, model, embedding: null }).filter(({ id }) => id === "streaming");
  return (
    <Card id="examples" title="Try it">
      {streaming.map((example) => (
        <Body>
          {(["curl", "python", "typescript"] as const).map((language) => (
            <details open={language === "curl"}>
              <summary>{LANGUAGES[language]}</summary>
              <Code id={`example-${language}`} name={LANGUAGES[language]} text={filled(example[language])} />
            </details>
          ))}
        </Body>
      ))}
    </Card>
  );
};
const LANGUAGES = { curl: "curl", python: "Python", typescript: "TypeScript" } as const;
