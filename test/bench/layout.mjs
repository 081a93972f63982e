// The throw-away project's files: a copy of what ships, two confs of the bench's own, and the .debs that are there already.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { madeHere } from "./library.mjs";

/** Small packages that need nothing but what every image has; each round adds another, so that no cache knows it. */
export const smallPackages = ["tree", "hello", "pv", "dos2unix", "figlet", "jo", "time", "zip", "patch"];

/** Packages that some run wants beside those of the images: conf `extras` is there to fetch them. */
const extras = ["eatmydata", "libeatmydata1", ...smallPackages];

/** `root`: where debcast lies. */
export function layOut(dir, root) {
  for (const part of ["base", "conf"]) replaceByCopy(join(dir, part), join(root, part));
  writeConf(dir, "minbase", []);
  writeConf(dir, "extras", ["bench-extras"]);
  writeScriptlet(dir, "bench-extras", `import { installDeb } from "debcast";\n\n${extras.map((p) => `installDeb("${p}");\n`).join("")}`);
}

export function writeConf(dir, name, scriptlets) {
  const text = `import { defineImage } from "debcast";\n\nexport default defineImage({ suite: "trixie", arch: "amd64", components: ["main"], hostname: "bench", scriptlets: ${JSON.stringify(scriptlets)} });\n`;
  writeFileSync(join(dir, `conf/${name}.ts`), text);
}

export function writeScriptlet(dir, name, text) {
  writeFileSync(join(dir, `base/${name}.ts`), text);
}

/** Copies, not links: a link changes the file's times in the inode, and debcast would hash it again. */
export function copyDownloads(downloads, root) {
  const from = resolve(process.env.DEBCAST_DOWNLOADS ?? join(root, "downloads"));
  if (!existsSync(from) || from === downloads) return;
  for (const part of readdirSync(from).filter((d) => /^(deb\..*|index)$/.test(d))) {
    if (!existsSync(join(downloads, part))) execFileSync("cp", ["-a", "--reflink=auto", join(from, part), downloads]);
  }
}

/**
 * Locks of an earlier time in the same scratch directory stay where debcast has none of its own: they say what is measured. But not one
 * that names what is in no archive, as a run that was ended leaves it.
 */
function replaceByCopy(to, from) {
  const locks = existsSync(to) ? readdirSync(to).filter((f) => f.endsWith(".lock")).map((f) => [join(to, f), readFileSync(join(to, f))]) : [];
  rmSync(to, { recursive: true, force: true });
  cpSync(from, to, { recursive: true });
  for (const [path, content] of locks) if (!existsSync(path) && !content.includes(madeHere)) writeFileSync(path, content);
}
