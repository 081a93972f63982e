// Leaves out what a device never reads: there is no `man`, so no manual pages. What Debian's licences ask for stays
// (/usr/share/doc/*/copyright), and so does all that programs open.
import { conf, exclude, runLast } from "debcast";

exclude("/usr/share/man/**", "/usr/share/info/**", "/usr/share/groff/**");
exclude("/usr/share/lintian/**", "/usr/share/linda/**", "/usr/share/bug/**", "/usr/share/doc-base/**", "/usr/share/gtk-doc/**");
exclude("/usr/share/bash-completion/completions/**", "/usr/share/zsh/**", "/usr/share/fish/**");

// Documentation by its names, because a glob cannot say "all but copyright".
exclude("/usr/share/doc/*/changelog*", "/usr/share/doc/*/NEWS*", "/usr/share/doc/*/README*", "/usr/share/doc/*/TODO*");
exclude("/usr/share/doc/*/AUTHORS*", "/usr/share/doc/*/THANKS*", "/usr/share/doc/*/FAQ*", "/usr/share/doc/*/BUGS*");
exclude("/usr/share/doc/*/HOWTO*", "/usr/share/doc/*/howto*");
exclude("/usr/share/doc/*/*.txt", "/usr/share/doc/*/*.txt.gz", "/usr/share/doc/*/*.pdf", "/usr/share/doc/*/*.pdf.gz");
exclude("/usr/share/doc/*/*.html", "/usr/share/doc/*/*.html/**", "/usr/share/doc/*/examples", "/usr/share/doc/*/examples/**");
exclude("/usr/share/doc/*/releases", "/usr/share/doc/*/releases/**", "/usr/share/doc/*/html", "/usr/share/doc/*/html/**");

for (const glob of foreignTranslations((conf.locale ?? "C").slice(0, 2).toLowerCase())) exclude(glob);

runLast(async ({ glob, remove }) => {
  // Earlier versions that tools keep beside what they wrote.
  const kept = await glob("/etc/*-", "/var/cache/debconf/*-old", "/var/lib/dpkg/*-old");
  for (const path of kept) remove(path);
});

/** Globs for the translations into every language but `own`; English and C need none at all. */
function foreignTranslations(own: string): `/${string}`[] {
  const letters = [..."abcdefghijklmnopqrstuvwxyz"];
  const below = (start: string) => `/usr/share/locale/${start}*/LC_MESSAGES/**` as const;
  if (!/^[a-z]{2}$/.test(own) || own === "en") return [below("")];
  const [first, second] = [own.charAt(0), own.charAt(1)];
  return [...letters.filter((l) => l !== first).map(below), ...letters.filter((l) => l !== second).map((l) => below(first + l))];
}
