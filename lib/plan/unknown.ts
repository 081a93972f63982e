// Why a package that a scriptlet named cannot be had, and what was probably meant.
import type { Archives } from "../archive.ts";
import { nearest, UserError, type Where } from "../errors.ts";
import type { Conf, PlannedDeb } from "./plan.ts";

/** What was asked for; a command says no place. */
type Named = Pick<Extract<PlannedDeb, { kind: "name" }>, "name" | "spec"> & { where?: Where };

export async function unknownPackage(spec: Named, o: { archives: Archives; conf: Conf }): Promise<UserError> {
  const { archives, conf } = o;
  const where = spec.where;
  const versions = archives.find(spec.name).map((d) => d.version);
  if (versions.length > 0) {
    const message = `\`${spec.spec}\` is not to be had: the archive has \`${[...new Set(versions)].join("`, `")}\``;
    return new UserError("resolve.no-version", message, { where, hint: `installDeb("${spec.name}=${versions[0]}");` });
  }
  const providers = [...new Set(archives.providers(spec.name).map((d) => d.name))].sort();
  if (providers.length > 0) {
    const message = `\`${spec.name}\` is no package but a name for what others provide`;
    return new UserError("resolve.virtual", message, { where, hint: providers.slice(0, 8).map((n) => `installDeb("${n}");`).join("\n") });
  }
  const component = await archives.componentOf(spec.name);
  if (component !== undefined) {
    const line = `components: [${[...conf.components, component].map((c) => `"${c}"`).join(", ")}],`;
    return new UserError("resolve.component", `\`${spec.name}\` is in \`${component}\`, which the conf leaves out`, { where, hint: `in conf/${conf.name}.ts: ${line}` });
  }
  const near = nearest(spec.name, archives.names());
  return new UserError("resolve.unknown", `there is no package \`${spec.name}\` in \`${conf.suite}\` for \`${conf.arch}\``, { where, hint: near && `did you mean \`${near}\`?` });
}
