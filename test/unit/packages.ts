// Small archives and plans for tests of what is planned: a real index in a temporary file, from stanzas in short.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mergeIndexes, type Archives } from "../../lib/archive.ts";
import { indexPackages, openIndex } from "../../lib/deb/index.ts";
import { Mistakes, type Where } from "../../lib/errors.ts";
import type { Conf, Plan, PlannedDeb, PlannedScriptlet } from "../../lib/plan/plan.ts";
import type { Project } from "../../lib/project.ts";
import { renderErrors } from "../../lib/report.ts";

export const conf = {
  name: "base", file: "conf/base.ts", suite: "trixie", arch: "amd64", components: ["main"], updates: true, security: true, mirrors: [],
} as unknown as Conf;

/** `short` has paragraphs; the first line of each is `NAME VERSION [ARCH]`, others are fields. */
export function archivesOf(short: string, o: { archive?: string; elsewhere?: Record<string, string>; date?: number } = {}): Archives {
  const archive = o.archive ?? "main";
  const dir = mkdtempSync(join(tmpdir(), "debcast-index-"));
  try {
    const file = join(dir, "Packages");
    writeFileSync(file, stanzas(short));
    indexPackages(file);
    const index = openIndex(file, archive);
    return {
      archives: [{ name: archive, suite: "trixie", components: ["main"], date: o.date ?? 1_700_000_000, indexes: [] }],
      ...mergeIndexes([index], "amd64"),
      componentOf: async (name) => o.elsewhere?.[name],
    };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

export function stanzas(short: string): string {
  return short.trim().split(/\n\s*\n/).map((paragraph) => {
    const [head, ...fields] = paragraph.trim().split(/\n\s*/);
    const [name, version, arch] = head!.split(" ");
    const hash = Buffer.from(`${name} ${version}`).toString("hex").padEnd(64, "0").slice(0, 64);
    return [
      `Package: ${name}`, `Version: ${version}`, `Architecture: ${arch ?? "amd64"}`, ...fields,
      `Filename: pool/main/${name}_${version!.replace(":", "%3a")}_${arch ?? "amd64"}.deb`, "Size: 1000", `SHA256: ${hash}`,
    ].join("\n");
  }).join("\n\n").concat("\n");
}

/** What the tools tree wants, so that a plan can be resolved. */
export const tools = ["coreutils", "dash", "dosfstools", "e2fsprogs", "fdisk", "gzip", "libcap2-bin", "libeatmydata1", "mount", "mtools", "sed", "systemd-boot-efi", "tar", "util-linux", "xz-utils", "zstd"].map((n) => `${n} 1\n`).join("\n");

/** Scriptlets by name, each with the arguments of its installDeb calls, one per line of base/NAME.ts. */
export function planOf(scriptlets: Record<string, readonly string[]>, o: { conf?: Partial<Conf>; bases?: readonly string[] } = {}): Plan {
  return {
    project: { baseDirs: o.bases ?? [] } as unknown as Project,
    conf: { ...conf, ...o.conf },
    scriptlets: Object.entries(scriptlets).map(([name, debs]) => ({
      name, needs: [], debs: debs.map((spec, i) => plannedDeb(spec, { file: `base/${name}.ts`, line: i + 3, scriptlet: name })),
    })) as unknown as PlannedScriptlet[],
  };
}

function plannedDeb(spec: string, where: Where): PlannedDeb {
  if (spec.includes("*")) return { kind: "pattern", spec, where };
  const [, name, arch, version] = /^([^:=]+)(?::([^=]+))?(?:=(.*))?$/.exec(spec)!;
  return { kind: "name", spec, name: name!, ...(arch && { arch }), ...(version && { version }), where };
}

/** What the user would read. */
export async function told(work: Promise<unknown>): Promise<string> {
  return work.then((r) => `no error: ${JSON.stringify(r)}`, (e: unknown) => renderErrors(e));
}

export const render = (errors: readonly Error[]) => (errors.length === 0 ? "nothing" : renderErrors(new Mistakes(errors as Mistakes["all"])));
