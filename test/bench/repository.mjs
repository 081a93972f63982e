// What the rivals install from: a repository on this disk whose package list is that of the whole archive, as on any mirror (or, when
// asked for, of the closure alone), whose pool is one closure, and the same .debs as apt keeps what it has fetched.
// Both are hard links to copies of our .debs: a link to ours would change times by which debcast knows that a file is the one it hashed.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, constants, existsSync, linkSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

/** `lists`: package lists of the archive (files of stanzas), to stand beside the closure; none for a list of the closure alone. */
export function openFarm(dir, lists = []) {
  const copies = join(dir, "debs");
  // What an interrupted run left; copies of .debs are as good as ever.
  for (const old of readdirSync(dir)) if (old !== "debs") rmSync(join(dir, old), { recursive: true, force: true });
  mkdirSync(copies, { recursive: true });
  const stanzas = new Map();
  const repositories = new Map();

  /** The copy of a .deb, by the name that apt gives to a fetched one. */
  function copied(deb) {
    const to = join(copies, `${deb.name}_${deb.version.replace(/:/g, "%3a")}_${deb.arch}.deb`);
    if (!existsSync(to)) copyFileSync(deb.path, to, constants.COPYFILE_FICLONE);
    return to;
  }

  function stanzaOf(deb) {
    const known = stanzas.get(deb.sha256);
    if (known !== undefined) return known;
    const control = execFileSync("dpkg-deb", ["-f", copied(deb)]).toString().trimEnd();
    const stanza = `${control}\nFilename: pool/${basename(copied(deb))}\nSize: ${deb.size}\nSHA256: ${deb.sha256}\n`;
    stanzas.set(deb.sha256, stanza);
    return stanza;
  }

  /** All that the archive has beside the packages of a closure; each once, as from one suite. */
  function others(names) {
    const seen = new Set(names);
    const stanzas = lists.flatMap((file) => readFileSync(file, "utf8").split("\n\n"));
    return stanzas.filter((s) => {
      const name = /^Package: (.*)$/m.exec(s)?.[1];
      const isNew = name !== undefined && !seen.has(name);
      seen.add(name);
      return isNew;
    }).map((s) => `${s.trim()}\n`);
  }

  return {
    /** `debs`: with `path`. Returns the repository's directory and that of the warm cache; made once for each closure. */
    repository(debs, suite) {
      const key = createHash("sha256").update(debs.map((d) => d.sha256).sort().join()).digest("hex").slice(0, 16);
      if (!repositories.has(key)) repositories.set(key, writeRepository(join(dir, `${key}-${process.pid}`), debs, suite));
      return { key, ...repositories.get(key) };
    },
  };

  function writeRepository(at, debs, suite) {
    const [pool, index] = [join(at, "pool"), join(at, `dists/${suite}/main/binary-amd64`)];
    for (const d of [pool, index]) mkdirSync(d, { recursive: true });
    for (const deb of debs) linkSync(copied(deb), join(pool, basename(copied(deb))));
    const packages = [...debs.map(stanzaOf), ...others(new Set(debs.map((d) => d.name)))].join("\n");
    writeFileSync(join(index, "Packages"), packages);
    execFileSync("xz", ["--keep", "-T0", "-1", join(index, "Packages")]);
    const sum = createHash("sha256").update(packages).digest("hex");
    writeFileSync(join(at, `dists/${suite}/Release`), `Origin: Debian\nLabel: Debian\nSuite: ${suite}\nCodename: ${suite}\nDate: ${new Date().toUTCString()}\nArchitectures: amd64\nComponents: main\nSHA256:\n ${sum} ${Buffer.byteLength(packages)} main/binary-amd64/Packages\n`);
    return { dir: at, pool };
  }
}
