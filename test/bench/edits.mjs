// The changes that are measured, each made to a file of the throw-away project as a person or `debcast update` would.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Late in the plan of the gateway, and with no `run` of its own. */
const packageScriptlet = "tool-disk";

/** A run() whose first line takes steps out of its argument, as nearly all are written. */
const runCall = /^run\((async )?\(\{ *(.*?) *\}\) => \{\n/m;

/** `changed` is called when a file is another than before. */
export function openEdits(dir, changed) {
  const originals = new Map();

  /** Replaces a scriptlet by what `change` makes of the text that it had at first. */
  function edit(name, change) {
    const path = pathOf(name);
    if (!originals.has(name)) originals.set(name, readFileSync(path, "utf8"));
    const text = change(originals.get(name));
    if (text === readFileSync(path, "utf8")) return;
    writeFileSync(path, text);
    changed();
  }

  return {
    /** One more step in the run() of the scriptlet in the middle of those that have one. `planned`: all names in order. Its name. */
    changeLine(planned, content) {
      const able = planned.filter((name) => existsSync(pathOf(name)) && runCall.test(readFileSync(pathOf(name), "utf8")));
      const name = able[Math.floor(able.length / 2)];
      edit(name, (text) => text.replace(runCall, (_, later = "", steps) => `run(${later}({ ${withWrite(steps)} }) => {\n  write("/etc/bench-line", ${JSON.stringify(`${content}\n`)});\n`));
      return name;
    },
    addPackage: (name) => edit(packageScriptlet, (text) => `${text}installDeb("${name}");\n`),
    removePackage: () => edit(packageScriptlet, (text) => text),
  };

  function pathOf(name) {
    return join(dir, `base/${name}.ts`);
  }
}

/** The text of a lock that names `to` where it named `from` (fields of ./closure.mjs). */
export function replacedInLock(text, from, to) {
  return text.split("\n\n").map((p) => (p.startsWith(`Package: ${from.name}\n`) ? exchanged(p, from, to) : p)).join("\n\n");
}

function exchanged(paragraph, from, to) {
  const fields = { Version: "version", Filename: "filename", Size: "size", SHA256: "sha256" };
  return Object.entries(fields).reduce((text, [name, field]) => text.replace(`\n${name}: ${from[field]}`, () => `\n${name}: ${to[field]}`), paragraph);
}

function withWrite(steps) {
  return steps.split(/, */).includes("write") ? steps : ["write", steps].filter((s) => s !== "").join(", ");
}
