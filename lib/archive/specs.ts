// Which suites a conf asks for, each with the keyring that must have signed it.
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { UserError } from "../errors.ts";
import { thirdParties } from "../mirrors.ts";
import type { Conf } from "../plan/plan.ts";

export interface ArchiveSpec {
  /** `main`, `updates`, `security`, or a third party's name. */
  readonly name: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** Found when it is needed: a build from a lock verifies no signature. */
  readonly keyring: () => string;
}

/** In the order in which they count among equal versions. */
export function archiveSpecs(conf: Conf): ArchiveSpec[] {
  const debian = { components: conf.components, keyring: () => debianKeyring(conf) };
  const rolling = conf.suite === "sid";
  return [
    { name: "main", suite: conf.suite, ...debian },
    ...(conf.updates && !rolling ? [{ name: "updates", suite: `${conf.suite}-updates`, ...debian }] : []),
    ...(conf.security && !rolling ? [{ name: "security", suite: `${conf.suite}-security`, ...debian }] : []),
    ...thirdParties(conf.mirrors).map((m) => ({ name: m.name, suite: m.suite, components: m.components, keyring: () => ownKeyring(conf, m.keyring) })),
  ];
}

const hostKeyrings = ["/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp"];

function debianKeyring(conf: Conf): string {
  if (conf.keyring !== undefined) return ownKeyring(conf, conf.keyring);
  const found = hostKeyrings.find((f) => existsSync(f));
  if (found !== undefined) return found;
  throw new UserError("archive.keyring", "this machine has no keyring of the Debian archive, and the conf names none", {
    where: { file: conf.file },
    hint: "apt-get install debian-archive-keyring\nor put one into conf/ and name it: `keyring: \"keyrings/debian.gpg\",`",
  });
}

function ownKeyring(conf: Conf, name: string): string {
  const file = resolve(dirname(conf.file), name);
  if (existsSync(file)) return file;
  throw new UserError("archive.keyring", `the keyring \`${name}\` is not in \`${dirname(conf.file)}\``, { where: { file: conf.file } });
}
