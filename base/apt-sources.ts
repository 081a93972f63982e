// Where the device itself takes packages from: the conf's mirrors and nothing else. A conf that names none makes a device with
// no apt sources; the builder's mirrors never get here.
import { conf, lines, run } from "debcast";

type Source = { uri: string; suites: readonly string[] };

const components = (conf.components ?? ["main"]).join(" ");
const suites = [conf.suite, ...(conf.suite !== "sid" && conf.updates !== false ? [`${conf.suite}-updates`] : [])];

const sources: Source[] = [];
for (const mirror of conf.mirrors ?? []) {
  if (typeof mirror === "string") sources.push({ uri: mirror, suites });
  // Archives of third parties are for building: their keyring lies in conf/ and not in the image. A device that shall follow
  // one gets it from a scriptlet of its own, which copies keyring and .sources file.
  else if ("security" in mirror && conf.suite !== "sid" && conf.security !== false) sources.push({ uri: mirror.uri, suites: [`${conf.suite}-security`] });
}

run(({ write }) => {
  if (sources.length > 0) write("/etc/apt/sources.list.d/debian.sources", sources.map(stanza).join("\n"));
  // An update on a device installs what was asked for, asks nothing of the mirror that the device does not need, and never
  // starts by itself.
  write("/etc/apt/apt.conf.d/80-image", lines`
    APT::Install-Recommends "false";
    APT::Periodic::Enable "0";
    Acquire::Languages "none";
  `);
});

function stanza({ uri, suites }: Source): string {
  const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
  return `Types: deb\nURIs: ${uri}\nSuites: ${suites.join(" ")}\nComponents: ${components}\nSigned-By: ${keyring}\n`;
}
