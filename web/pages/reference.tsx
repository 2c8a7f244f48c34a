// Reference: every route of the API with what it takes and answers, for people.
import { KEY_SCRIPT } from "../parts/assets.ts";
import { curlCall } from "../parts/call.ts";
import { Code } from "../parts/code.tsx";
import type { Markup } from "../parts/markup.ts";
import { Body, Card, Table, Th } from "../parts/parts.tsx";
import { Head, Shell, type Viewer } from "../parts/shell.tsx";
import { number } from "../parts/text.tsx";

/** `name` of a field in an object: `provider.order`. */
export type Field = { name: string; type: string; isRequired: boolean; about: string };
export type RouteView = {
  /** For links to it. */
  id: string;
  method: string;
  path: string;
  summary: string;
  /** What a request proves itself with. */
  proof: string;
  /** Content type of the answer. */
  answers: string;
  /** Whether it can be had as a stream too. */
  streams: boolean;
  fields: Field[];
  /** How a shell calls it, with a key unless it is open; null where there is none to show. */
  call: { body: object | null; isOpen: boolean } | null;
};
export type Area = { id: string; title: string; routes: RouteView[] };
export type ReferenceView = {
  viewer: Viewer;
  version: string;
  url: string;
  areas: readonly Area[];
  errors: readonly { code: string; status: number; type: string }[];
};

export const Reference = ({ viewer, version, url, areas, errors }: ReferenceView): Markup => (
  <Shell viewer={{ ...viewer, path: "/docs" }} title="API reference" scripts={[KEY_SCRIPT]}>
    <Head
      title="API reference"
      crumb={{ href: "/docs", label: "Docs" }}
      note={
        <>
          {version} · OpenAI's clients work with the base URL <code class="whole">{`${url}/v1`}</code>; the same routes
          are under <code>/api/v1</code>. Fields that are not listed go through to the inference server.
        </>
      }
    >
      <a class="button" href="/openapi.json">
        openapi.json
      </a>
    </Head>
    <div class="cols guide">
      <Index areas={areas} />
      <div class="stack">
        {areas.map((area) => (
          <Card id={area.id} title={area.title} aside={<span class="note">{routes(area)}</span>}>
            {area.routes.map((route) => (
              <Route route={route} url={url} />
            ))}
          </Card>
        ))}
        <Errors errors={errors} />
      </div>
    </div>
  </Shell>
);

const routes = ({ routes: { length } }: Area): string => (length === 1 ? "1 route" : `${number(length)} routes`);

const Index = ({ areas }: { areas: readonly Area[] }): Markup => (
  <nav aria-label="Areas">
    <ul>
      {[...areas, { id: "errors", title: "Errors" }].map(({ id, title }) => (
        <li>
          <a href={`#${id}`}>{title}</a>
        </li>
      ))}
    </ul>
  </nav>
);

/** The id is of something that is folded: browsers unfold what an address leads into, and what they find. */
const Route = ({ route, url }: { route: RouteView; url: string }): Markup => (
  <details class="fold">
    <summary>
      <h3 class="path">
        {route.method} {parts(route.path)}
      </h3>
      <span>{route.summary}</span>
    </summary>
    <div>
      <span id={route.id} class="start"></span>
      <Body>
        <p class="note">
          {route.proof} Answers {route.answers}
          {route.streams && ", or text/event-stream with stream: true"}. <a href={`#${route.id}`}>Link to this route</a>
        </p>
        {route.call !== null && (
          <Code
            id={`${route.id}-call`}
            name={`A call of ${route.method} ${route.path}`}
            text={callOf(url, route, route.call)}
          />
        )}
      </Body>
      {route.fields.length > 0 && <Fields route={route} />}
    </div>
  </details>
);

/** What stands for something in the path is written as it is in the docs: `ID`. */
function callOf(url: string, { method, path, answers }: RouteView, { body, isOpen }: NonNullable<RouteView["call"]>) {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => name.toUpperCase());
  if (isOpen) return `curl ${url}${filled}`;
  const usual = body === null ? "GET" : "POST";
  const flags = [...(method === usual ? [] : [`-X ${method}`]), ...(answers === "text/event-stream" ? ["-N"] : [])];
  return curlCall(url, filled, body, flags.length === 0 ? {} : { flags: flags.join(" ") });
}

const Fields = ({ route }: { route: RouteView }): Markup => (
  <Table
    name={`Fields of ${route.method} ${route.path}`}
    head={
      <>
        <Th>Field</Th>
        <Th>Takes</Th>
      </>
    }
  >
    {route.fields.map((field) => (
      <tr>
        <td class="whole">
          <code class="path">{parts(field.name)}</code>
          {field.isRequired && <span class="note"> (required)</span>}
        </td>
        <td class="whole">
          {field.about} <span class={field.about === "" ? "" : "note"}>{field.type}</span>
        </td>
      </tr>
    ))}
  </Table>
);

const Errors = ({ errors }: Pick<ReferenceView, "errors">): Markup => (
  <Card id="errors" title="Errors">
    <Body>
      <p>
        Every error is <code class="whole">{'{"error":{"message","type","param","code"}}'}</code>, all four fields
        always. In the middle of a stream it is an event of that shape, and no <code>[DONE]</code> follows.
      </p>
    </Body>
    <Table
      name="Errors by code"
      head={
        <>
          <Th>Code</Th>
          <Th>Type</Th>
          <Th n>Status</Th>
        </>
      }
    >
      {errors.map((error) => (
        <tr>
          <td>
            <code class="path">{parts(error.code)}</code>
          </td>
          <td class="more">{parts(error.type)}</td>
          <td class="n end">{error.status}</td>
        </tr>
      ))}
    </Table>
  </Card>
);

/** A path or a name that may be broken after its parts and nowhere else. */
const parts = (name: string) =>
  name.split(/(?<=[/._])/).map((part) => (
    <>
      {part}
      <wbr />
    </>
  ));
