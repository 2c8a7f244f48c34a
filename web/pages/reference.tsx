// Reference: every route of the API with what it takes and answers, for people.
import type { HtmlEscapedString } from "hono/utils/html";
import { STYLE } from "./style.ts";

type VNode = HtmlEscapedString | Promise<HtmlEscapedString>;

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
  /** A call to paste; null where there is none to show. */
  call: string | null;
};
export type Group = { title: string; about: string; routes: RouteView[] };
export type ReferenceView = {
  version: string;
  url: string;
  groups: Group[];
  errors: { code: string; status: number; type: string }[];
};

export function Reference({ version, url, groups, errors }: ReferenceView): VNode {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>infernet: API reference</title>
        {/* Our own constant, no text of anybody's. */}
        <style dangerouslySetInnerHTML={{ __html: STYLE }} />
      </head>
      <body>
        <main>
          <header>
            <h1>API reference</h1>
            <p class="soft">
              <a href="/">infernet</a> {version} · for machines: <a href="/openapi.json">openapi.json</a>
            </p>
          </header>
          <section aria-labelledby="contents">
            <h2 id="contents">Routes</h2>
            <p>
              OpenAI's clients work with the base URL <code>{url}/v1</code>; the same routes are under{" "}
              <code>/api/v1</code>. Fields that are not listed go through to the inference server.
            </p>
            {groups.map((group) => (
              <div class="scroll">
                <table>
                  <thead>
                    <tr>
                      <th scope="col">{group.title}</th>
                      <th scope="col">What it does</th>
                    </tr>
                  </thead>
                  <tbody>
                    {group.routes.map((route) => (
                      <tr>
                        <td>
                          <a class="parts" href={`#${route.id}`}>
                            {route.method} {parts(route.path)}
                          </a>
                        </td>
                        <td>{route.summary}</td>
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
            ))}
          </section>
          {groups.flatMap((group) => group.routes.map((route) => <RouteSection route={route} about={group.about} />))}
          <section aria-labelledby="errors">
            <h2 id="errors">Errors</h2>
            <p>
              Every error is <code>{'{"error":{"message","type","param","code"}}'}</code>, all four fields always. In
              the middle of a stream it is an event of that shape, and no <code>[DONE]</code> follows.
            </p>
            <div class="scroll">
              <table>
                <thead>
                  <tr>
                    <th scope="col">code</th>
                    <th scope="col">type</th>
                    <th scope="col" class="n">
                      status
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {errors.map((error) => (
                    <tr>
                      <td>
                        <code class="parts">{parts(error.code)}</code>
                      </td>
                      <td class="parts">{parts(error.type)}</td>
                      <td class="n">{error.status}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          </section>
        </main>
      </body>
    </html>
  );
}

function RouteSection({ route, about }: { route: RouteView; about: string }): VNode {
  return (
    <section aria-labelledby={route.id}>
      <h2 id={route.id}>
        {route.method} {parts(route.path)}
      </h2>
      <p>{route.summary}</p>
      <p class="soft">
        {about} Answers {route.answers}
        {route.streams && ", or text/event-stream with stream: true"}.
      </p>
      {route.fields.length > 0 && <FieldTable fields={route.fields} />}
      {route.call !== null && <pre>{route.call}</pre>}
    </section>
  );
}

function FieldTable({ fields }: { fields: Field[] }): VNode {
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">Field</th>
            <th scope="col">Takes</th>
          </tr>
        </thead>
        <tbody>
          {fields.map((field) => (
            <tr>
              <td>
                <code class="parts">{parts(field.name)}</code>
                {field.isRequired && <span class="soft"> (required)</span>}
              </td>
              <td>
                {field.about} <span class={field.about === "" ? "" : "soft"}>{field.type}</span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A path or a name that may be broken after its parts and nowhere else. */
const parts = (name: string) =>
  name.split(/(?<=[/._])/).map((part) => (
    <>
      {part}
      <wbr />
    </>
  ));
