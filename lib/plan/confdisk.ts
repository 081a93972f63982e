// `disk` and `listens` of an image definition.
import type { Complaints } from "./confcheck.ts";
import { choice, stringList } from "./confkinds.ts";
import { plainObject, shown } from "./values.ts";

const parts = ["root", "esp", "persist", "log", "data"];
const keysOfRoot = ["size", "mode", "ram", "slots"];
const size = /^(\d+[MG]|rest|fit(\+\d+[MG])?)$/;

export function checkDisk(v: unknown, c: Complaints): unknown {
  if (v === undefined) return undefined;
  if (!plainObject(v) || !plainObject(v.root)) return void c.wrong(["disk"], "`disk` has no `root`", "disk: { root: {} },");
  const { root } = v;
  for (const key of Object.keys(v)) if (!parts.includes(key)) c.wrong(["disk", key], `a disk has no \`${key}\``, `it has ${parts.map((p) => `\`${p}\``).join(", ")}`);
  for (const key of Object.keys(root)) if (!keysOfRoot.includes(key)) c.wrong(["disk", "root", key], `\`disk.root\` has no \`${key}\``, `it has ${keysOfRoot.map((k) => `\`${k}\``).join(", ")}`);
  for (const part of parts) if (part !== "persist" || v[part] !== false) checkPart(part, v[part], c);
  if (v.persist === false && v.log !== undefined) c.wrong(["disk", "log"], "`disk.log` is for a device of which something lasts; here `disk.persist` is `false`");
  if (root.mode !== undefined) choice("mode", root.mode, { of: ["rw", "overlay", "tmpfs"], c });
  if (root.slots !== undefined && root.slots !== 1 && root.slots !== 2) c.wrong(["disk", "root", "slots"], `\`disk.root.slots\` is ${shown(root.slots)}; expected 1 or 2`);
  if (root.ram !== undefined && !/^(\d+[MG]|[1-9]\d?%)$/.test(String(root.ram))) c.wrong(["disk", "root", "ram"], `\`disk.root.ram\` is ${shown(root.ram)}; expected \`512M\`, \`2G\` or \`50%\``);
  if ((root.mode ?? "rw") === "rw") for (const part of ["persist", "log"]) if (v[part] !== undefined) c.wrong(["disk", part], `\`disk.${part}\` is for a / that does not last; here \`disk.root.mode\` is \`rw\``, 'root: { mode: "overlay" },');
  return v;
}

function checkPart(part: string, v: unknown, c: Complaints): void {
  if (v === undefined) return;
  if (!plainObject(v)) return c.wrong(["disk", part], `\`disk.${part}\` is ${shown(v)}; expected { size: "64M" }`);
  const given = v.size;
  if ((part !== "root" || given !== undefined) && !size.test(String(given))) c.wrong(["disk", part, "size"], `\`disk.${part}.size\` is ${shown(given)}; expected \`4G\`, \`500M\`, \`rest\`, \`fit\` or \`fit+200M\``);
  if (given === "rest" && part !== "data" && part !== "root") c.wrong(["disk", part, "size"], `\`disk.${part}.size\` is \`rest\`, and only the last partition can take the rest of the disk`);
  if (part === "data" && (typeof v.mount !== "string" || !/^\/[^\s]+$/.test(v.mount))) c.wrong(["disk", "data"], "`disk.data` has no `mount`, a path from `/`", 'data: { size: "rest", mount: "/data" },');
}

export function checkListens(v: unknown, c: Complaints): unknown {
  const list = stringList("listens", v, c);
  for (const one of list ?? []) {
    const [, port] = /^(?:tcp|udp):(0|[1-9]\d*)$/.exec(one) ?? [];
    if (port === undefined) c.wrong(["listens", one], `\`listens\` has ${shown(one)}; expected something like \`tcp:22\``);
    else if (Number(port) < 1 || Number(port) > 65535) c.wrong(["listens", one], `\`listens\` has ${shown(one)}; ports go from 1 to 65535`);
  }
  return list;
}
