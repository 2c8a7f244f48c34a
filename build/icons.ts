// Icons: draws the installed app's icons from the mark, with a browser. `bun build/icons.ts`, after the mark has changed;
// the pictures are kept in the repository.
import { mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { chromium } from "playwright-core";
import { findBrowser } from "./setup/browser.ts";

const assets = path.resolve(import.meta.dir, "../web/assets");
const mark = readFileSync(path.join(assets, "favicon.svg"), "utf8");
/** Systems cut maskable icons to their own shape: what must be seen is in the middle four fifths. */
const full = mark
  .replace('rx="7.5" ', "")
  .replace("<g ", '<g transform="translate(2.8 2.8) scale(.8)" ')
  .replace('</g><g fill="#fff">', '</g><g transform="translate(2.8 2.8) scale(.8)" fill="#fff">');
const ICONS = [
  { name: "icon-192", size: 192, svg: mark },
  { name: "icon-512", size: 512, svg: mark },
  { name: "maskable-512", size: 512, svg: full },
];

const executablePath = await findBrowser();
if (executablePath === null) throw new Error("no Chromium here: run `bun build/browser.ts`");
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
mkdirSync(path.join(assets, "icons"), { recursive: true });
for (const { name, size, svg } of ICONS) {
  const page = await browser.newPage({ viewport: { width: size, height: size } });
  const sized = svg.replace("<svg ", `<svg width="${size}" height="${size}" `);
  await page.setContent(`<style>body{margin:0}svg{display:block}</style>${sized}`);
  await page.screenshot({ path: path.join(assets, "icons", `${name}.png`), omitBackground: true });
}
await browser.close();
