// Check: the receipt checker. What it finds is put into these shapes by assets/check.js, in the browser.
import { CHECK_SCRIPT } from "../parts/assets.ts";
import { Icon } from "../parts/icon.tsx";
import type { Markup } from "../parts/markup.ts";
import { Body, Card, Copy, Fact, Facts, Table, Th } from "../parts/parts.tsx";
import { Head, Shell, type Viewer } from "../parts/shell.tsx";
import { shortKey } from "../parts/text.tsx";

type CheckView = {
  viewer: Viewer;
  /** Of the script that verifies. */
  worker: string;
  /** This instance's identity. */
  coordinator: string;
};

export const Check = ({ viewer, worker, coordinator }: CheckView): Markup => (
  <Shell viewer={viewer} title="Check a receipt" scripts={[CHECK_SCRIPT]}>
    <Head
      title="Check a receipt"
      note="Verified in your browser, without trusting this network or anybody else. The file is sent nowhere."
    />
    <div class="cols">
      <div class="stack" id="checker" data-worker={worker} data-own={coordinator}>
        <Card id="give" title="Receipts to check">
          <Body>
            <noscript>
              <p>
                The check runs as a script in your browser. Without scripts, <code>infernet receipts verify FILE</code>{" "}
                does the same.
              </p>
            </noscript>
            <div class="drop" id="drop">
              <p>Drop a file here: what the API answered for a job, or an export.</p>
              <label class="button act file">
                Choose a file
                <input type="file" id="check-file" accept=".json,.jsonl,.ndjson,.txt,application/json" />
              </label>
            </div>
            <form id="check-form" class="fields">
              <label>
                Or paste it
                <textarea
                  id="check-text"
                  rows={4}
                  spellcheck={false}
                  autocomplete="off"
                  placeholder='{"coordinator":{…},"receipts":[…]}'
                ></textarea>
              </label>
              <div class="row">
                <button type="submit">Check the text</button>
              </div>
            </form>
          </Body>
        </Card>
        <p class="hidden" role="status" id="check-status"></p>
        <div class="stack" id="check-result"></div>
      </div>
      <div class="stack">
        <Card id="own" title="This network's key">
          <Body>
            <Facts>
              <Fact name="Coordinator">
                <code>{shortKey(coordinator)}</code> <Copy text={coordinator} label="Copy the coordinator's key" />
              </Fact>
            </Facts>
            <p class="note">
              Receipts name the coordinator that signed them. Compare the key with one that you got another way, not
              only with this page.
            </p>
          </Body>
        </Card>
        <Card id="proves" title="What a receipt proves">
          <ul class="list">
            <li class="ok">
              <Icon name="ok" />
              <div>That the coordinator said so: who computed what, how many tokens, for how much, and when</div>
            </li>
            <li class="ok">
              <Icon name="ok" />
              <div>Countersigned: that the node accepted it, and every one before it</div>
            </li>
            <li class="off">
              <Icon name="off" />
              <div>Not that the answer is good, nor that it came from the model it names</div>
            </li>
            <li class="off">
              <Icon name="off" />
              <div>Not that it was paid: that is the payout's transaction</div>
            </li>
          </ul>
        </Card>
        <Card id="where" title="Where to get one">
          <Body>
            <p>
              <code class="whole">/api/v1/jobs/ID/receipt</code> answers with a job's receipt. Whoever runs this
              instance, or a node, has all of theirs: <code class="whole">infernet receipts export FILE</code>.
            </p>
            <a class="button" href="/docs#receipts">
              Examples
            </a>
          </Body>
        </Card>
      </div>
    </div>
    <Shapes />
  </Shell>
);

const Shapes = (): Markup => (
  <>
    <template id="verdict-shape">
      <div class="notice">
        <Icon name="ok" />
        <div>
          <b data-put="title"></b>
          <p class="whole" data-put="says"></p>
        </div>
      </div>
    </template>
    <template id="checks-shape">
      <Card id="checks" title="What was looked at">
        <ul class="list"></ul>
      </Card>
    </template>
    <template id="check-shape">
      <li>
        <Icon name="ok" />
        <div>
          <b data-put="title"></b>
          <p class="note whole" data-put="says"></p>
        </div>
      </li>
    </template>
    <template id="receipts-shape">
      <Card id="receipts" title="What they say" aside={<span class="note" data-put="note"></span>}>
        <Table
          name="Receipts"
          head={
            <>
              <Th>Job</Th>
              <Th>Model</Th>
              <Th n>Tokens in / out</Th>
              <Th n>Amount</Th>
              <Th n>Finished</Th>
            </>
          }
        />
      </Card>
    </template>
    <ReceiptShape />
  </>
);

const ReceiptShape = (): Markup => (
  <template id="receipt-shape">
    <tr>
      <td class="whole">
        <Icon name="bad" /> <code class="whole" data-put="job"></code>
        <p class="note">
          <span data-put="seq"></span> of node <code data-put="node"></code>
        </p>
      </td>
      <td class="whole">
        <bdi data-put="model"></bdi>
        <p class="note" data-put="hash"></p>
      </td>
      <td class="n" data-label="tokens" data-put="tokens"></td>
      <td class="n end">
        <span data-put="gross"></span>
        <p class="note" data-put="split"></p>
      </td>
      <td class="n more">
        <time></time>
      </td>
    </tr>
  </template>
);
