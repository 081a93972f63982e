// Leaves out what a device never reads: there is no `man`, so no manual pages. What Debian's licences ask for stays
// (/usr/share/doc/*/copyright), and so does all that programs open.
import { conf, exclude, runLast } from "debcast";

exclude("/usr/share/man/**", "/usr/share/info/**");
exclude("/usr/share/lintian/**", "/usr/share/bug/**", "/usr/share/doc-base/**");
exclude("/usr/share/bash-completion/completions/**", "/usr/share/zsh/**", "/usr/share/fish/**");

// Documentation by its names, because a glob cannot say "all but copyright".
exclude("/usr/share/doc/*/changelog*", "/usr/share/doc/*/NEWS*", "/usr/share/doc/*/README*", "/usr/share/doc/*/TODO*");
exclude("/usr/share/doc/*/AUTHORS*", "/usr/share/doc/*/THANKS*", "/usr/share/doc/*/FAQ*", "/usr/share/doc/*/BUGS*");
exclude("/usr/share/doc/*/HOWTO*", "/usr/share/doc/*/HOWTO/**", "/usr/share/doc/*/howto*", "/usr/share/doc/*/CHANGES*", "/usr/share/doc/*/*.md", "/usr/share/doc/*/*.md.gz");
exclude("/usr/share/doc/*/*.txt", "/usr/share/doc/*/*.txt.gz", "/usr/share/doc/*/*.pdf", "/usr/share/doc/*/*.pdf.gz");
exclude("/usr/share/doc/*/*.html", "/usr/share/doc/*/*.html/**", "/usr/share/doc/*/examples", "/usr/share/doc/*/examples/**");
exclude("/usr/share/doc/*/releases", "/usr/share/doc/*/releases/**");

for (const glob of foreignTranslations((conf.locale ?? "C").slice(0, 2).toLowerCase())) exclude(glob);

runLast(async ({ glob, remove }) => {
  // Earlier versions that packages and tools keep beside what they wrote; resolved's is a copy of the builder's name servers.
  const kept = await glob("/etc/*-", "/etc/.*.bak", "/etc/**/*.dpkg-{old,dist,bak}", "/etc/**/*.ucf-{old,dist}");
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
