// Installable: the files of the installed app. `bun build/icons.ts` draws the icons from the mark.
import icon192 from "../assets/icons/icon-192.png" with { type: "file" };
import icon512 from "../assets/icons/icon-512.png" with { type: "file" };
import maskable512 from "../assets/icons/maskable-512.png" with { type: "file" };
import swJs from "../assets/sw.js" with { type: "text" };

export { ICONS, STYLESHEET } from "./assets.ts";

/** `file`: where it is embedded. */
export const ICON_FILES = [
  { path: "/icon-192.png", file: icon192, size: 192, purpose: "any" },
  { path: "/icon-512.png", file: icon512, size: 512, purpose: "any" },
  { path: "/maskable-512.png", file: maskable512, size: 512, purpose: "maskable" },
] as const;

export const SW_TEXT = String(swJs);
