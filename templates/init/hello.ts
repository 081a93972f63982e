// A first scriptlet: installs one package, writes one file. `debcast plan` shows what it asks for.
import { defineOptions, installDeb, lines, need, run, text } from "debcast";

export const options = defineOptions({
  greeting: text(), // a conf must set it: options: { hello: { greeting: "…" } }
  name: "everybody", // a conf may set it
});

need("minbase"); // planned before this one; with need("site") one gets what site.ts exports

installDeb("hello"); // each dependency by its name; `debcast check` says what is missing

run(({ write, inImage }) => { // once all packages are configured
  write("/etc/motd", lines`
    ${options.greeting}, ${options.name}.
  `);
  inImage`hello --version`; // a command inside of the image; every ${} would be one word
});
