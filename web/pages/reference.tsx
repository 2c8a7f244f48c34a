// Reference: every route of the API with what it takes and answers, for people.
import { KEY_SCRIPT } from "../parts/assets.ts";
import { curlCall } from "../parts/call.ts";
import { Code } from "../parts/code.tsx";
import type { Markup } from "../parts/markup.ts";
import { Body, Card, Table, Th } from "../parts/parts.tsx";
import { Head, Shell, type Viewer } from "../parts/shell.tsx";

/** `name` of a field in an object: `provider.order`. */
export type Field = { name: string; type: string; isRequired: boolean; about: string };
export type RouteView = {
  /** For links to it. */
  id: string;
  method: string;
  path: string;
  summary: string;
  /** Content type of the answer. */
  answers: string;
  /** Whether it can be had as a stream too. */
  streams: boolean;
  fields: Field[];
  /** A body to call it with; null where there is none to show. */
  example: object | null;
};
export type Group = { title: string; about: string; routes: RouteView[] };
export type ReferenceView = {
  viewer: Viewer;
  version: string;
  url: string;
  groups: readonly Group[];
  errors: readonly { code: string; status: number; type: string }[];
};

export const Reference = ({ viewer, version, url, groups, errors }: ReferenceView): Markup => (
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
    {groups.map((group) => (
      <Contents group={group} />
    ))}
    {groups.flatMap((group) => group.routes.map((route) => <Route route={route} about={group.about} url={url} />))}
    <Errors errors={errors} />
  </Shell>
);

const Contents = ({ group }: { group: Group }): Markup => (
  <Card id={`for-${group.title.toLowerCase().replaceAll(/[^a-z]+/g, "-")}`} title={group.title}>
    <Table
      name={`Routes ${group.title.toLowerCase()}`}
      head={
        <>
          <Th>Route</Th>
          <Th>What it does</Th>
        </>
      }
    >
      {group.routes.map((route) => (
        <tr>
          <td class="whole">
            <a class="path" href={`#${route.id}`}>
              {route.method} {parts(route.path)}
            </a>
          </td>
          <td class="whole">{route.summary}</td>
        </tr>
      ))}
    </Table>
  </Card>
);

const Route = ({ route, about, url }: { route: RouteView; about: string; url: string }): Markup => (
  <section class="card" aria-labelledby={route.id}>
    <header>
      <h2 id={route.id} class="path">
        {route.method} {parts(route.path)}
      </h2>
    </header>
    <Body>
      <p>{route.summary}</p>
      <p class="note">
        {about} Answers {route.answers}
        {route.streams && ", or text/event-stream with stream: true"}.
      </p>
      {route.example !== null && (
        <Code
          id={`${route.id}-call`}
          name={`A call of ${route.method} ${route.path}`}
          text={curlCall(url, route.path, route.example)}
        />
      )}
    </Body>
    {route.fields.length > 0 && <Fields route={route} />}
  </section>
);

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
