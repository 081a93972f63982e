// How fast debcast is beside other programs that make the same Debian, and beside what the machine can do at all. The command line is in
// ./options.mjs, what is measured in ./scenarios.mjs, ./floor.mjs and ./growth.mjs, the rules of comparing in ./rounds.mjs.
import { parseOptions, usage } from "./options.mjs";
import { measure } from "./measure.mjs";
import { endAll, Failed } from "./run.mjs";
import { Unlike } from "./rounds.mjs";

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    endAll();
    process.exit(130);
  });
}

try {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) process.stdout.write(usage);
  else await measure(options);
} catch (e) {
  const expected = e instanceof Failed || e instanceof Unlike || e.code?.startsWith?.("ERR_PARSE_ARGS") || e.constructor === Error;
  process.stderr.write(`bench: ${expected ? e.message : e.stack}\n`);
  process.exit(1);
}
