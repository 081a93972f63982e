// The language of the system. C.UTF-8 comes with libc-bin and costs nothing; any other needs the package `locales`, which
// generates it while it is configured.
import { conf, debconf, fail, installDeb, lines, run } from "debcast";

const locale = conf.locale ?? "C.UTF-8";
const charset = /^[a-z]{2,3}_[A-Z]{2}\.([\w-]+)(@\w+)?$/.exec(locale)?.[1];

if (locale !== "C.UTF-8") {
  if (charset === undefined) fail(`\`${locale}\` is no locale`, 'locale: "en_GB.UTF-8", or leave it out for C.UTF-8');
  installDeb("locales", "libc-l10n");
  debconf(`locales locales/locales_to_be_generated multiselect ${locale} ${charset}`);
  debconf(`locales locales/default_environment_locale select ${locale}`);
}

run(({ write, symlink }) => {
  write("/etc/locale.conf", lines`
    LANG=${locale}
  `);
  symlink("../locale.conf", "/etc/default/locale"); // where PAM looks for it at login
});
