// A project, and random edits to it such as people make: after each, what is built on layers must be what is built without.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { engineRoot } from "../../lib/engine.ts";
import { debcastOk, project } from "./debcast.ts";

/** What a project of this test says beside the scriptlets that ship. */
interface Sources {
  hostname: string;
  greeting: string;
  scriptlets: string[];
  packages: string[];
  /** Text of run() and of a file in the folder, by scriptlet. */
  own: Map<string, { line: string; file: string; command: string }>;
}

export interface EditedProject {
  readonly dir: string;
  /** Makes one edit and says what it was. */
  edit(): string;
  [Symbol.dispose](): void;
}

// Packages that need nothing but what minbase has; busybox brings a hook for the initramfs, netcat alternatives.
const pool = ["tree", "pv", "time", "netcat-openbsd", "busybox", "lsb-release", "media-types", "netbase"];

/** `shipped` are scriptlets that come with debcast; a kernel among them makes builds long. */
export function editedProject(shipped: readonly string[], random: () => number): EditedProject {
  const p = project({});
  const keys = join(engineRoot, "conf/keys");
  mkdirSync(join(p.dir, "conf/keys"), { recursive: true });
  for (const f of readdirSync(keys)) writeFileSync(join(p.dir, "conf/keys", f), readFileSync(join(keys, f)));
  const s: Sources = { hostname: "edited", greeting: "hello", scriptlets: [...shipped, "alpha", "beta", "gamma"], packages: ["tree"], own: new Map() };
  for (const name of ["alpha", "beta", "gamma"]) s.own.set(name, { line: "first", file: "first", command: "true" });
  write(p.dir, s);
  return { dir: p.dir, edit: () => edit(p.dir, s, random), [Symbol.dispose]: () => p[Symbol.dispose]() };
}

function edit(dir: string, s: Sources, random: () => number): string {
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)]!;
  const word = () => Math.floor(random() * 1e6).toString(36);
  const own = () => pick([...s.own.keys()]);
  const edits: readonly (() => string | undefined)[] = [
    () => {
      const name = own();
      s.own.get(name)!.line = word();
      return `a line of base/${name}.ts`;
    },
    () => {
      const name = own();
      s.own.get(name)!.command = pick(["true", `echo ${word()} >>/etc/extra.txt`, "chmod 2755 /usr/local/bin", "rm -f /etc/motd", `ln -sfn /tmp/${word()} /etc/pointer`, "rm -rf /srv/data && mkdir -p /srv/data/new"]);
      return `the command in base/${name}.ts`;
    },
    () => {
      const name = own();
      s.own.get(name)!.file = word();
      return `a file in base/${name}/`;
    },
    () => {
      s.hostname = `host-${word()}`;
      return "conf.hostname";
    },
    () => {
      s.greeting = word();
      return "an option in the conf";
    },
    () => {
      const name = pick(pool);
      const there = s.packages.includes(name);
      s.packages = there ? s.packages.filter((p) => p !== name) : [...s.packages, name];
      return `the package ${name} ${there ? "removed" : "added"}`;
    },
    () => {
      const name = `more-${word()}`;
      s.own.set(name, { line: word(), file: word(), command: "true" });
      s.scriptlets.push(name);
      return `the scriptlet ${name} added`;
    },
    () => {
      const name = [...s.own.keys()].find((n) => n.startsWith("more-"));
      if (name === undefined) return undefined;
      s.own.delete(name);
      s.scriptlets = s.scriptlets.filter((n) => n !== name);
      rmSync(join(dir, `base/${name}.ts`));
      rmSync(join(dir, "base", name), { recursive: true });
      return `the scriptlet ${name} removed`;
    },
    () => {
      const names = [...s.own.keys()].sort(() => random() - 0.5);
      s.scriptlets = [...s.scriptlets.filter((n) => !s.own.has(n)), ...names];
      return "scriptlets in another order";
    },
  ];
  let said: string | undefined;
  while (said === undefined) said = pick(edits)();
  write(dir, s);
  return said;
}

function write(dir: string, s: Sources): void {
  const put = (path: string, text: string) => {
    const file = join(dir, path);
    mkdirSync(dirname(file), { recursive: true });
    if (!existsSync(file) || readFileSync(file, "utf8") !== text) writeFileSync(file, text);
  };
  put("conf/edited.ts", `import { defineImage } from "debcast";
export default defineImage({
  suite: "trixie", arch: "amd64", components: ["main", "non-free-firmware"], hostname: ${JSON.stringify(s.hostname)},
  scriptlets: ${JSON.stringify(s.scriptlets)},
  options: { alpha: { greeting: ${JSON.stringify(s.greeting)} }${s.scriptlets.includes("ssh") ? ', ssh: { allow: ["me"] }' : ""} },
  users: [{ name: "me" }],
});
`);
  for (const [name, o] of s.own) {
    const first = name === "alpha";
    put(`base/${name}.ts`, `import { conf, defineOptions, installDeb, need, run } from "debcast";
need("minbase");
${first ? `installDeb(${s.packages.map((p) => JSON.stringify(p)).join(", ") || '"tree"'});\nexport const options = defineOptions({ greeting: "none" });` : ""}
run(({ write, copy, append, inImage, mkdir }) => {
  write("/etc/${name}.conf", ${JSON.stringify(o.line)} + "\\n");
  append("/etc/all.conf", "${name} " + conf.hostname + ${first ? "options.greeting" : '""'} + "\\n");
  copy("file", "/usr/share/${name}/file");
  mkdir("/srv/data/${name}");
  inImage\`sh -c ${"${"}${JSON.stringify(o.command)}}\`;
});
`);
    put(`base/${name}/file`, o.file);
  }
}

/** SHA-256 of the tarball of a build. */
export async function tarballOf(dir: string, args: readonly string[], name: string): Promise<string> {
  await debcastOk(["image", "-c", "edited", "-C", dir, ...args]);
  const file = join(dir, `out/${name}.tar`);
  await debcastOk(["tar", "-c", "edited", "-C", dir, "-o", file]);
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}
