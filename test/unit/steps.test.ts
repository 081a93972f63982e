// Steps of scriptlets: what they leave in the tree, in which order they run, what they say when they fail, and that no link in
// the image leads them out of it. What runs programs of the image is in test/real/.
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import type { Steps } from "../../lib/api.ts";
import { UserError } from "../../lib/errors.ts";
import type { Plan, PlannedScriptlet } from "../../lib/plan/plan.ts";
import { SecretValue, lines } from "../../lib/plan/values.ts";
import { runScriptlets } from "../../lib/rootfs/steps.ts";
import { openSecrets } from "../../lib/secrets.ts";

const tops: string[] = [];
afterEach(() => tops.splice(0).forEach((t) => rmSync(t, { recursive: true, force: true })));

const asRoot = test.skipIf(process.getuid!() !== 0);

/** A small image, a scriptlet's folder, and a place outside that must stay as it is. */
function place() {
  const top = mkdtempSync(join(tmpdir(), "debcast-"));
  tops.push(top);
  const put = (path: string, text: string, mode = 0o644) => {
    mkdirSync(dirname(join(top, path)), { recursive: true });
    writeFileSync(join(top, path), text, { mode });
  };
  const accounts = { passwd: "root:x:0:0:root:/root:/bin/sh\n", group: "root:x:0:\ndialout:x:20:\n", shadow: "root:*:1:0:99999:7:::\n", gshadow: "root:*::\ndialout:*::\n" };
  for (const [file, text] of Object.entries(accounts)) {
    put(`root/etc/${file}`, text);
    put(`outside/${file}`, text);
  }
  put("root/etc/skel/.profile", "umask 022\n");
  put("root/etc/ssh/sshd_config", "# comment\nPort 22\nPermitRootLogin prohibit-password\nUsePAM yes\n");
  put("root/bin/sh", "", 0o755);
  put("outside/sub/kept", "kept\n");
  put("outside/file", "kept\n");
  put("base/x/motd", "hello\n");
  put("base/x/tool", "#!/bin/sh\n", 0o700);
  put("base/x/overlay/etc/deep/er/file", "laid over\n");
  return { top, root: join(top, "root"), outside: join(top, "outside") };
}

type Place = ReturnType<typeof place>;

function runSteps(p: Place, run: (c: Steps) => void | Promise<void>, phase: "before" | "run" = "run") {
  const s = {
    name: "x", file: join(p.top, "base/x.ts"), folder: join(p.top, "base/x"), before: [run], run: [run], runLast: [],
    // The line in this file stands for the line in the scriptlet.
    whereOf: (e: unknown) => ({ file: "base/x.ts", line: Number(/steps\.test\.ts:(\d+)/.exec((e as Error).stack!)?.[1]), scriptlet: "x" }),
  } as unknown as PlannedScriptlet;
  return runScriptlets([s], {
    plan: { project: { dir: p.top }, scriptlets: [s], conf: { name: "t" } } as unknown as Plan,
    phase, root: p.root, sandbox: { tools: "", epoch: 0 }, epoch: 20_000 * 86_400, emit: () => {}, log: () => {}, downloads: () => "",
    secrets: openSecrets({ secretsDir: join(p.top, "secrets") }, { DEBCAST_SECRET_WIFI_KEY: "correct horse" }),
  });
}

async function failure(p: Place, run: (c: Steps) => void | Promise<void>): Promise<string> {
  const e = await runSteps(p, run).then(() => undefined, (error: unknown) => error);
  if (!(e instanceof UserError)) return `no UserError: ${String(e)}`;
  return [e.message, e.details, e.hint && `hint: ${e.hint}`].filter(Boolean).join("\n").replaceAll(p.top, "");
}

const text = (p: Place, path: string) => readFileSync(join(p.root, path), "utf8");
const mode = (p: Place, path: string) => (lstatSync(join(p.root, path)).mode & 0o7777).toString(8);

describe("files", () => {
  test("write, append, edit, mkdir, symlink and remove, in the order called without being awaited", async () => {
    const p = place();
    const { made } = await runSteps(p, (c) => {
      c.write("/etc/a/b", "one\n", { mode: 0o600, restart: ["a.service"] });
      c.append("/etc/a/b", "two\n");
      c.edit("/etc/a/b", "two", "2 $1");
      c.edit("/etc/ssh/sshd_config", /^Port (\d+)$/m, "Port 1$1");
      c.mkdir("/srv/data", { mode: 0o2770 });
      c.symlink("../srv/data", "/etc/data");
      c.write("/etc/gone", "");
      c.remove("/etc/go*");
    });
    expect(text(p, "etc/a/b")).toBe("one\n2 $1\n");
    expect(text(p, "etc/ssh/sshd_config")).toContain("\nPort 122\n");
    expect([mode(p, "etc/a"), mode(p, "etc/a/b"), mode(p, "srv"), mode(p, "srv/data")]).toEqual(["755", "600", "755", "2770"]);
    expect(readlinkSync(join(p.root, "etc/data"))).toBe("../srv/data");
    expect(readdirSync(join(p.root, "etc"))).not.toContain("gone");
    expect(made.map((m) => `${m.step} ${m.path}${m.restart ? ` restarts ${m.restart.join()}` : ""}`)).toMatchInlineSnapshot(`
      [
        "write /etc/a/b restarts a.service",
        "append /etc/a/b",
        "edit /etc/a/b",
        "edit /etc/ssh/sshd_config",
        "mkdir /srv/data",
        "symlink /etc/data",
        "write /etc/gone",
        "remove /etc/gone",
      ]
    `);
  });

  test("copies get 0644, or 0755 if they can be executed; a `to` that ends in / is a directory", async () => {
    const p = place();
    await runSteps(p, (c) => {
      c.copy(["motd", "tool"], "/opt/x/");
      c.copy("motd", "/etc/motd", { mode: 0o440 });
      c.overlay();
    });
    expect([mode(p, "opt/x/motd"), mode(p, "opt/x/tool"), mode(p, "etc/motd"), mode(p, "etc/deep/er")]).toEqual(["644", "755", "440", "755"]);
    expect(text(p, "etc/deep/er/file")).toBe("laid over\n");
  });

  test("what is awaited has a value, and secrets go into files", async () => {
    const p = place();
    const seen: unknown[] = [];
    await runSteps(p, async (c) => {
      c.write("/etc/wifi", lines(["key=", "\n"], new SecretValue("wifi-key")) as never, { mode: 0o600 });
      seen.push(await c.exists("/etc/wifi"), await c.exists("/etc/nothing"), await c.glob("/etc/{wifi,motd}", "/etc/s*/"), await c.read("/etc/wifi"));
    });
    expect(seen).toMatchInlineSnapshot(`
      [
        true,
        false,
        [
          "/etc/wifi",
        ],
        "key=correct horse
      ",
      ]
    `);
  });

  test("a masked unit that is written is masked no more", async () => {
    const p = place();
    symlinkSync("/dev/null", join(p.root, "etc/x.service"));
    await runSteps(p, (c) => void c.write("/etc/x.service", "[Service]\n"));
    expect(lstatSync(join(p.root, "etc/x.service")).isFile()).toBe(true);
  });

  test("before() has file steps alone", async () => {
    const p = place();
    const seen: string[] = [];
    await runSteps(p, (c) => void seen.push(...Object.keys(c).sort()), "before");
    expect(seen.join(" ")).toMatchInlineSnapshot(`"append copy edit mkdir overlay remove symlink unpack write"`);
  });
});

describe("failures", () => {
  test("carry the line of the step, though nothing awaits it, and end what follows", async () => {
    const p = place();
    const run = (c: Steps) => {
      c.edit("/etc/ssh/sshd_config", "Prot 22", "Port 23");
      c.write("/etc/later", "");
    };
    const e = (await runSteps(p, run).catch((error: unknown) => error)) as UserError;
    const here = readFileSync(import.meta.filename, "utf8").split("\n").findIndex((l) => l.includes('"Prot 22", "Port 23"')) + 1;
    expect(e.where).toEqual({ file: "base/x.ts", line: here, scriptlet: "x" });
    expect(readdirSync(join(p.root, "etc"))).not.toContain("later");
  });

  test("nothing is begun once the scriptlet has thrown", async () => {
    const p = place();
    const run = (c: Steps) => {
      void c.exists("/etc");
      c.write("/etc/later", "");
      throw new Error("enough");
    };
    expect(await failure(p, run)).toMatchInlineSnapshot(`"the scriptlet threw \`Error: enough\`"`);
    await new Promise((resolve) => setImmediate(resolve));
    expect(readdirSync(join(p.root, "etc"))).not.toContain("later");
  });

  test("what a step begins when it has ended is waited for, and its failure told", async () => {
    const p = place();
    expect(await failure(p, (c) => void Promise.resolve(c.exists("/etc")).then(() => c.onHost`sleep 0.2; exit 3`))).toContain("ended with status 3");
  });

  test("a step after the end says so", async () => {
    const p = place();
    let kept: Steps | undefined;
    await runSteps(p, (c) => void (kept = c));
    expect(() => kept!.write("/etc/later", "")).toThrowErrorMatchingInlineSnapshot(`[UserError: write() is called after run() has ended]`);
  });

  const mistakes: Record<string, (c: Steps) => void> = {
    "an edit that matches nothing": (c) => c.edit("/etc/ssh/sshd_config", "Prot 22", "Port 23"),
    "an edit that matches too often": (c) => c.edit("/etc/ssh/sshd_config", /e/, "E"),
    "a file that is not there": (c) => c.edit("/etc/ssh/sshd_confg", "a", "b"),
    "a glob that matches nothing": (c) => c.remove("/etc/nothing*"),
    "the root": (c) => c.remove("/"),
    "the root by another name": (c) => c.remove("/."),
    "a path that leads up": (c) => c.write("/etc/../../x", ""),
    "a file without a name": (c) => c.write("/etc/x/", ""),
    "a directory in the way": (c) => c.write("/etc/ssh", ""),
    "a source that is not there": (c) => c.copy("modt", "/etc/motd"),
    "a source elsewhere": (c) => c.copy("../../outside/file", "/etc/motd"),
    "an owner that is not there": (c) => c.write("/etc/x", "", { group: "dialut" }),
    "a group that is not there": (c) => c.user("eve", { groups: ["dialut"] }),
    "a name that is none": (c) => c.user("Eve Example"),
    "a secret as a word": (c) => c.inImage`echo ${new SecretValue("wifi-key") as never}`,
  };
  test.runIf(process.getuid!() === 0)("say what, why and what to do", async () => {
    const said: string[] = [];
    for (const [what, step] of Object.entries(mistakes)) said.push(`${what}: ${await failure(place(), step)}`);
    expect(said.join("\n\n")).toMatchInlineSnapshot(`
      "an edit that matches nothing: \`/etc/ssh/sshd_config\` has nothing that matches \`Prot 22\`
      Port 22
      PermitRootLogin prohibit-password
      UsePAM yes
      hint: did you mean \`Port 22\`?

      an edit that matches too often: \`/etc/ssh/sshd_config\` matches \`/e/\` 4 times, and 1 was expected
      hint: { times: 4 } or { times: "any" } says that this is meant

      a file that is not there: there is no \`/etc/ssh/sshd_confg\` in the image
      hint: did you mean \`/etc/ssh/sshd_config\`?

      a glob that matches nothing: \`/etc/nothing*\` matches nothing in the image
      hint: if it need not be there: for (const p of await glob("/etc/nothing*")) remove(p);

      the root: \`/\` is the whole image

      the root by another name: \`/.\` is the whole image

      a path that leads up: \`/etc/../../x\` is no path of the image
      hint: paths of the image begin with \`/\` and have no \`..\`

      a file without a name: \`/etc/x/\` is a directory, and a file needs a name
      hint: "/etc/x/NAME"

      a directory in the way: \`/etc/ssh\` is a directory, and a file cannot take its place
      hint: a path that ends in \`/\` puts the file into it: "/etc/ssh/"

      a source that is not there: there is no \`modt\` in base/x/
      hint: there are: motd, overlay, tool

      a source elsewhere: \`../../outside/file\` lies outside of base/x/

      an owner that is not there: the image has no group \`dialut\`
      hint: did you mean \`dialout\`?

      a group that is not there: the image has no group \`dialut\`, which \`eve\` is to join
      hint: did you mean \`dialout\`?

      a name that is none: \`Eve Example\` is no name for a user
      hint: small letters, digits, \`-\` and \`_\`, a letter first, 32 at most

      a secret as a word: value 1 of the command is a secret; a word is a text or a number
      hint: a secret goes in by .with({ env: { KEY: secret } }) or .with({ stdin: secret }), where no process list shows it"
    `);
  });
});

describe("accounts", () => {
  asRoot("are made as useradd makes them, of the archive's day", async () => {
    const p = place();
    await runSteps(p, (c) => {
      c.user("dlog", { groups: ["dialout"], sshKeys: ["ssh-ed25519 AAAA bench"] });
      c.user("eve", { uid: 1005, password: "locked" });
      c.user("dlog", { groups: ["dialout"] });
    });
    expect(["passwd", "shadow", "group", "gshadow"].map((file) => text(p, `etc/${file}`)).join("\n")).toMatchInlineSnapshot(`
      "root:x:0:0:root:/root:/bin/sh
      dlog:x:1000:1000::/home/dlog:/bin/sh
      eve:x:1005:1005::/home/eve:/bin/sh

      root:*:1:0:99999:7:::
      dlog:!:20000:0:99999:7:::
      eve:!:20000:0:99999:7:::

      root:x:0:
      dialout:x:20:dlog
      dlog:x:1000:
      eve:x:1005:

      root:*::
      dialout:*::dlog
      dlog:!::
      eve:!::
      "
    `);
    const owner = (path: string) => `${lstatSync(join(p.root, path)).uid} ${mode(p, path)}`;
    expect(["home/dlog", "home/dlog/.profile", "home/dlog/.ssh", "home/dlog/.ssh/authorized_keys"].map(owner)).toMatchInlineSnapshot(`
      [
        "1000 700",
        "1000 644",
        "1000 700",
        "1000 600",
      ]
    `);
  });
});

describe("links in the image that lead outside", () => {
  const hostile: Record<string, { at: string; to?: string; run: (c: Steps) => void }> = {
    "write below": { at: "a", run: (c) => c.write("/a/file", "evil") },
    "write onto": { at: "a", to: "file", run: (c) => c.write("/a", "evil") },
    "append": { at: "a", to: "file", run: (c) => c.append("/a", "evil") },
    "edit": { at: "a", to: "file", run: (c) => c.edit("/a", "kept", "evil") },
    "mkdir": { at: "a", run: (c) => c.mkdir("/a/evil") },
    "mkdir with a mode": { at: "a", to: "sub", run: (c) => c.mkdir("/a", { mode: 0o700 }) },
    "symlink": { at: "a", run: (c) => c.symlink("x", "/a/evil") },
    "copy": { at: "a", run: (c) => c.copy("motd", "/a/file") },
    "overlay": { at: "etc/deep", run: (c) => c.overlay() },
    "remove": { at: "a", run: (c) => c.remove("/a/**") },
    "remove by name": { at: "a", run: (c) => c.remove("/a/file") },
    "passwd": { at: "etc/passwd", to: "passwd", run: (c) => c.user("eve") },
    "shadow": { at: "etc/shadow", to: "shadow", run: (c) => c.user("eve") },
    "all of etc": { at: "etc", run: (c) => c.user("eve") },
    "home": { at: "home", run: (c) => c.user("eve", { sshKeys: ["k"] }) },
  };
  for (const [what, { at, to, run }] of Object.entries(hostile)) {
    asRoot(what, async () => {
      const p = place();
      rmSync(join(p.root, at), { recursive: true, force: true });
      symlinkSync(join(p.outside, to ?? ""), join(p.root, at));
      const before = photograph(p.outside);
      await runSteps(p, run).catch(() => undefined);
      expect(photograph(p.outside)).toEqual(before);
    });
  }

  test("show nothing of what is outside", async () => {
    const p = place();
    symlinkSync(p.outside, join(p.root, "a"));
    const seen: unknown[] = [];
    await runSteps(p, async (c) => void seen.push(await c.exists("/a/file"), await c.glob("/a/*", "/a/file")));
    expect(seen).toEqual([false, []]);
  });
});

function photograph(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: "utf8" }).sort().map((name) => {
    const stat = lstatSync(join(dir, name));
    return `${name} ${stat.mode} ${stat.uid} ${stat.isFile() ? readFileSync(join(dir, name), "utf8") : ""}`;
  });
}
