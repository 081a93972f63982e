// The users of the conf. Planned without being asked for when the conf has any.
import { conf, installDeb, run } from "debcast";

installDeb("adduser"); // maintainer scripts make their system users with it

run(({ user }) => {
  for (const { name, ...rest } of conf.users ?? []) user(name, rest);
});
