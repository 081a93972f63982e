// The proof that a set of packages is complete and consistent, and what it says when it is not.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Lock } from "../../lib/lock.ts";
import { proveSet, type LocalDebInfo } from "../../lib/plan/check.ts";
import { readScriptlet, type Known } from "../../lib/plan/known.ts";
import { archivesOf, conf, planOf, render } from "./packages.ts";

const known = (scriptlets: Record<string, string>): Known => new Map(Object.entries(scriptlets).map(([name, text]) => [name, readScriptlet(name, text)]));

/** Every package of `short` is in the lock, and named by the scriptlet `a` in that order. */
function prove(short: string, o: { known?: Known; local?: LocalDebInfo[]; archives?: string; bases?: string[] } = {}): string {
  const archives = archivesOf(short);
  const debs = [...archives.names()].flatMap((n) => archives.find(n));
  const order = short.trim().split(/\n\s*\n/).map((p) => p.trim().split(" ")[0]!);
  const lock: Lock = {
    suite: "trixie", arch: "amd64", archives: [], patterns: new Map(), ledger: { users: new Map(), groups: new Map() },
    debs: debs.map((d) => ({ ...d, roles: ["image"] })),
  };
  const plan = planOf({ a: order }, o.bases ? { bases: o.bases } : {});
  return render(proveSet({ plan, lock, local: o.local ?? [], ...(o.bases ? {} : { known: o.known ?? new Map() }), ...(o.archives && { archives: archivesOf(o.archives) }) }));
}

const local = (name: string, o: Partial<LocalDebInfo> = {}): LocalDebInfo => ({
  name, version: "1.0", arch: "all", fields: {}, spec: `./${name}.deb`, where: { file: "base/own.ts", line: 7, scriptlet: "own" }, ...o,
});

test.each([
  ["a plain dependency", "x 1\nDepends: y\n\ny 1"],
  ["a version", "x 1\nDepends: y (>= 2), y (<< 3~), y (= 2.5), y (>> 2.4), y (<= 2.5)\n\ny 2.5"],
  ["the second alternative", "x 1\nDepends: z | y:any\n\ny 1\nMulti-Arch: allowed"],
  ["what another provides", "x 1\nDepends: virtual\n\ny 1\nProvides: virtual"],
  ["a version that another provides", "x 1\nDepends: virtual (>= 2)\n\ny 1\nProvides: other, virtual (= 2)"],
  ["itself", "x 1\nDepends: virtual\nProvides: virtual"],
  ["a ring", "x 1\nPre-Depends: y\n\ny 1\nDepends: x"],
  ["architecture all, native, foreign", "x 1\nDepends: y, z:amd64, w\n\ny 1 all\n\nz 1 all\n\nw 1\nMulti-Arch: foreign"],
  ["a conflict with nobody, or with itself", "x 1\nConflicts: z, virtual, x\nBreaks: y (<< 1)\nProvides: virtual\n\ny 1"],
  ["a versioned conflict with what is provided without version", "x 1\nConflicts: virtual (<< 9)\n\ny 1\nProvides: virtual"],
])("whole: %s", (_, short) => {
  expect(prove(short)).toBe("nothing");
});

test("what is missing, once per package to add, with those who want it", () => {
  expect(prove(`
    bluez 5
    Depends: libdw1t64 (>= 0.126), libc6 (>= 2.38)

    dbus 1
    Pre-Depends: init-helpers (>= 1)
    Depends: libdw1t64, libc6, mta | mail-agent

    libc6 2.41
  `)).toMatchInlineSnapshot(`
    "error: base/a.ts:3 (a): \`bluez\` depends on \`libdw1t64 (>= 0.126)\`, which no scriptlet installs
      so does \`dbus\` on \`libdw1t64\`: base/a.ts:4 (a)

    hint: installDeb("libdw1t64");

    error: base/a.ts:4 (a): \`dbus\` pre-depends on \`init-helpers (>= 1)\`, which no scriptlet installs

    hint: installDeb("init-helpers");

    error: base/a.ts:4 (a): \`dbus\` depends on \`mta | mail-agent\`, which no scriptlet installs

    hint: installDeb("mta");"
  `);
});

test("wrong versions, provided without version, and :any that is not allowed", () => {
  expect(prove(`
    w 1
    Depends: x (>= 2), virtual (>= 3), python:any

    x 1.5
    Provides: virtual (= 2)

    v 1
    Depends: bare (>= 1)

    y 1
    Provides: bare

    python 3
    Multi-Arch: foreign
  `)).toMatchInlineSnapshot(`
    "error: base/a.ts:3 (a): \`w\` depends on \`x (>= 2)\`, and \`x\` in the plan is \`1.5\`
      so does \`w\` on \`virtual (>= 3)\`: base/a.ts:3 (a)

    hint: debcast update x w

    error: base/a.ts:3 (a): \`w\` depends on \`python:any\`, and \`python\` in the plan does not allow \`:any\`

    error: base/a.ts:5 (a): \`v\` depends on \`bare (>= 1)\`, and \`y\` in the plan provides that only as \`1\`

    hint: debcast update y v"
  `);
});

test("conflicts and breaks, by name, by version, by what is provided, once per pair", () => {
  expect(prove(`
    a 1
    Conflicts: b
    Breaks: c (<< 2)

    b 1
    Conflicts: a

    c 1.9

    exim 4
    Conflicts: mta
    Provides: mta

    postfix 3
    Conflicts: mta
    Provides: mta
  `)).toMatchInlineSnapshot(`
    "error: base/a.ts:3 (a): \`a\` conflicts with \`b\`, and both are in the plan
      \`b\` 1: base/a.ts:4 (a)

    hint: take one of the two out

    error: base/a.ts:3 (a): \`a\` breaks \`c (<< 2)\`, and both are in the plan
      \`c\` 1.9: base/a.ts:5 (a)

    hint: debcast update c
          or take one of the two out

    error: base/a.ts:6 (a): \`exim\` conflicts with \`mta\`, as which \`postfix\` counts, and both are in the plan
      \`postfix\` 3: base/a.ts:7 (a)

    hint: take one of the two out"
  `);
});

test("the scriptlet that exists is suggested, not one that needs us or that a conf must set up", () => {
  const scriptlets = known({
    "lib-glib": `installDeb("libglib2.0-0t64", "libffi8");`,
    big: `installDeb("libglib2.0-0t64", ${Array.from({ length: 9 }, (_, i) => `"p${i}"`).join(", ")});`,
    ring: `need("a");\ninstallDeb("only-ring");`,
    site: `export const options = defineOptions({});\ninstallDeb("only-site");`,
    commented: `// installDeb("only-comment");\ninstallDeb(\n  "dbus", // the bus\n  "dbus-bin",\n);`,
  });
  expect(prove("x 1\nDepends: libglib2.0-0t64 (>= 2), only-ring, only-site, only-comment, none | dbus-bin", { known: scriptlets })).toMatchInlineSnapshot(`
    "error: base/a.ts:3 (a): \`x\` depends on \`libglib2.0-0t64 (>= 2)\`, which no scriptlet installs

    hint: need("lib-glib");

    error: base/a.ts:3 (a): \`x\` depends on \`only-ring\`, which no scriptlet installs

    hint: installDeb("only-ring");

    error: base/a.ts:3 (a): \`x\` depends on \`only-site\`, which no scriptlet installs

    hint: installDeb("only-site");

    error: base/a.ts:3 (a): \`x\` depends on \`only-comment\`, which no scriptlet installs

    hint: installDeb("only-comment");

    error: base/a.ts:3 (a): \`x\` depends on \`none | dbus-bin\`, which no scriptlet installs

    hint: need("commented");"
  `);
});

test("scriptlets are read from the base directories, the first of a name", () => {
  const dir = mkdtempSync(join(tmpdir(), "debcast-base-"));
  try {
    for (const [path, text] of [["own/y.ts", `installDeb("other");`], ["base/y.ts", `installDeb("y1");`], ["base/z.ts", `installDeb("z1", "z2=3");`]] as const) {
      mkdirSync(join(dir, path, ".."), { recursive: true });
      writeFileSync(join(dir, path), text);
    }
    expect(prove("x 1\nDepends: y1, z2", { bases: [join(dir, "own"), join(dir, "base"), join(dir, "absent")] })).toMatchInlineSnapshot(`
      "error: base/a.ts:3 (a): \`x\` depends on \`y1\`, which no scriptlet installs

      hint: installDeb("y1");

      error: base/a.ts:3 (a): \`x\` depends on \`z2\`, which no scriptlet installs

      hint: need("z");"
    `);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("with the archive at hand, what apt would choose is suggested", () => {
  expect(prove("x 1\nDepends: default-mta | mta, awk", { archives: "exim 4\nProvides: mta\n\nmawk 1\nPriority: required\nProvides: awk\n\ngawk 5\nProvides: awk" })).toMatchInlineSnapshot(`
    "error: base/a.ts:3 (a): \`x\` depends on \`default-mta | mta\`, which no scriptlet installs

    hint: installDeb("exim");

    error: base/a.ts:3 (a): \`x\` depends on \`awk\`, which no scriptlet installs

    hint: installDeb("mawk");"
  `);
});

test("the project's own .debs take part", () => {
  const debs = [local("own", { fields: { Depends: "python3-serial, libc6 (>= 9)" } }), local("arm", { arch: "arm64" }), local("libc6", { version: "1" }), local("new", { fields: { Depends: "own (>= 2)" } })];
  expect(prove("libc6 2.41\nBreaks: own (<< 2)", { local: debs })).toMatchInlineSnapshot(`
    "error: base/own.ts:7 (own): \`arm\` is for \`arm64\`, and the image is for \`amd64\`

    error: base/own.ts:7 (own): \`libc6\` would be installed twice, as \`2.41\` and as \`1\`
      the other: base/a.ts:3 (a)

    hint: take one of them out

    error: base/own.ts:7 (own): \`own\` depends on \`python3-serial\`, which no scriptlet installs

    hint: installDeb("python3-serial");

    error: base/own.ts:7 (own): \`own\` depends on \`libc6 (>= 9)\`, and \`libc6\` in the plan is \`2.41\`

    hint: debcast update libc6

    error: base/own.ts:7 (own): \`new\` depends on \`own (>= 2)\`, and \`own\` in the plan is \`1.0\`

    hint: see base/own.ts:7 (own)

    error: base/a.ts:3 (a): \`libc6\` breaks \`own (<< 2)\`, and both are in the plan
      \`own\` 1.0: base/own.ts:7 (own)

    hint: take one of the two out"
  `);
});

test("a package that nobody named is told with the conf", () => {
  const archives = archivesOf("x 1\nDepends: y");
  const lock: Lock = { suite: "trixie", arch: "amd64", archives: [], patterns: new Map(), ledger: { users: new Map(), groups: new Map() }, debs: [{ ...archives.find("x")[0]!, roles: ["image"] }] };
  expect(proveSet({ plan: planOf({}), lock, local: [], known: new Map() })[0]!.where).toEqual({ file: conf.file });
});
