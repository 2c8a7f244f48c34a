// Device: what the node is made of, and the last of what it logged.
import type { NodeView } from "../../../src/dashboard/node/view.ts";
import type { Markup } from "../../parts/markup.ts";
import { Body, Card, Copy, Fact, Facts } from "../../parts/parts.tsx";
import { Name, plural, shortKey, size } from "../../parts/text.tsx";

const MIB = 1024 * 1024;

export function DeviceCard({ view: { device, pubkey } }: { view: NodeView }): Markup {
  return (
    <Card id="device" title="Device">
      <Body>
        <Facts>
          {device.gpus.map(({ name, vram_mib, driver }) => (
            <Fact name="GPU">
              <Name of={name} />
              {vram_mib !== null && `, ${size(vram_mib * MIB)}`}
              {driver !== undefined && `, ${driver}`}
            </Fact>
          ))}
          {device.gpus.length === 0 && <Fact name="GPU">none found</Fact>}
          <Fact name="CPU">
            <Name of={device.cpu} />, {plural(device.cores, "core")}
          </Fact>
          <Fact name="Memory">{size(device.memory_mib * MIB)}</Fact>
          {device.disk_free_mib !== undefined && <Fact name="Disk free">{size(device.disk_free_mib * MIB)}</Fact>}
          <Fact name="System">
            {device.os} {device.arch}
          </Fact>
          <Fact name="Key">
            <code>{shortKey(pubkey)}</code> <Copy text={pubkey} label="Copy the node's key" />
          </Fact>
        </Facts>
      </Body>
    </Card>
  );
}

export function LogCard({ view: { log } }: { view: NodeView }): Markup {
  return (
    <section class="card" id="log" aria-labelledby="log-h">
      <header>
        <h2 id="log-h">Log</h2>
        <span class="note">newest first</span>
      </header>
      <div class="log" tabindex={0} role="region" aria-label="The last lines of the log">
        {log
          .toReversed()
          .map(({ time, level, msg, fields }) =>
            `${time.slice(11, 19)} ${level.toUpperCase().padEnd(5)} ${msg} ${fieldsOf(fields)}`.trimEnd(),
          )
          .join("\n")}
      </div>
    </section>
  );
}

const fieldsOf = (fields: Record<string, unknown>): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ")
    .slice(0, 400);
