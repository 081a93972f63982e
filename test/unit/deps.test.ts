// The lines that `debcast deps` prints.
import { expect, test } from "vitest";
import type { Lock } from "../../lib/lock.ts";
import { proveSet } from "../../lib/plan/check.ts";
import { suggestDeps } from "../../lib/plan/deps.ts";
import { readScriptlet, withNeeds, type Known } from "../../lib/plan/known.ts";
import type { Project } from "../../lib/project.ts";
import { archivesOf, planOf, render, told } from "./packages.ts";

const known: Known = new Map(Object.entries({
  minbase: `installDeb("libc6", "mawk");`,
  "lib-glib": `need("lib-ffi"); installDeb("libglib");`,
  "lib-ffi": `installDeb("libffi8");`,
  dbus: `installDeb("dbus", "dbus-extra");`,
  desktop: `need("lib-x"); installDeb("libsmall", "desktop");`,
  settings: `export const options = defineOptions({ a: text() }); installDeb("libset");`,
}).map(([name, text]) => [name, readScriptlet(name, text)]));

const archives = archivesOf(`
  libc6 2

  mawk 1
  Provides: awk

  gawk 1
  Provides: awk
  Priority: required

  libglib 2
  Depends: libc6, libffi8

  libffi8 3

  dbus 1
  Depends: libc6

  dbus-extra 1

  desktop 1

  libsmall 1
  Depends: libtiny

  libtiny 1

  libset 1

  mta-a 1
  Provides: mta
  Priority: extra

  mta-b 1
  Provides: mta
  Conflicts: app

  app 1
  Depends: libc6, awk, libglib, dbus, libsmall (>= 1) | other, libset, missing | mta, perl
  Recommends: desktop

  perl 5
  Depends: perl-base, libsmall

  perl-base 5
`);

const suggest = (packages: readonly string[], plan = planOf({})) => suggestDeps({ packages, plan, project: { baseDirs: [] } as unknown as Project, archives, known });

test("scriptlets that exist are needed, the rest is installed, grouped by what it is for", async () => {
  const { lines, imports } = await suggest(["app"]);
  expect(lines.join("\n")).toMatchInlineSnapshot(`
    "need("dbus", "lib-glib");
    installDeb("app");
    installDeb("libset", "mta-a");
    installDeb("libsmall", "libtiny");
    installDeb("perl", "perl-base");"
  `);
  expect(imports).toEqual(["need", "installDeb"]);
});

test("what is suggested is complete, beside minbase and what is needed", async () => {
  const s = await suggest(["app"]);
  const names = [...s.debs, ...["minbase", ...s.needs].flatMap((n) => withNeeds(n, known)).flatMap((k) => k.packages)];
  const lock: Lock = {
    suite: "trixie", arch: "amd64", archives: [], patterns: new Map(), ledger: { users: new Map(), groups: new Map() },
    debs: [...new Set(names)].map((n) => ({ ...archives.find(n)[0]!, roles: ["image"] as const })),
  };
  expect(render(proveSet({ plan: planOf({ a: names }), lock, local: [], known }))).toBe("nothing");
});

test("where there is a choice, what the plan has anyway", async () => {
  const { debs } = await suggest(["app"], planOf({ mail: ["mta-a", "other"] }));
  expect(debs).toContain("mta-a");
});

test("a package whose scriptlet is asked for by name is installed, not needed", async () => {
  expect((await suggest(["dbus"])).lines).toEqual([`installDeb("dbus");`]);
});

test("several packages at once, and what minbase has", async () => {
  expect((await suggest(["libglib", "mawk", "perl"])).lines.join("\n")).toMatchInlineSnapshot(`
    "need("lib-ffi");
    installDeb("libglib", "mawk", "perl");
    installDeb("perl-base");
    installDeb("libsmall", "libtiny");"
  `);
});

test("unknown packages, and dependencies that cannot be met", async () => {
  expect(await told(suggest(["ap", "awk"]))).toMatchInlineSnapshot(`
    "error: there is no package \`ap\` in \`trixie\` for \`amd64\`

    hint: did you mean \`app\`?

    error: \`awk\` is no package but a name for what others provide

    hint: installDeb("gawk");
          installDeb("mawk");"
  `);
  const broken = archivesOf("app 1\nDepends: gone (>= 2), far");
  expect(await told(suggestDeps({ packages: ["app"], plan: planOf({}), project: {} as Project, archives: broken, known: new Map() }))).toMatchInlineSnapshot(`
    "error: \`app\` depends on \`gone (>= 2)\`, which the archive cannot give together with the rest

    error: \`app\` depends on \`far\`, which the archive cannot give together with the rest"
  `);
});
