import { defineOptions, lines, need, oneOf, run, text } from "debcast";
import banner from "./kiosk/banner.txt";
export const options = defineOptions({ url: text({ match: /^https?:/ }), rotate: oneOf(0, 90, 180, 270), user: "kiosk" });
const { tty } = need("site");
need("user", "site");
run(({ write }) => void write("/etc/issue", lines`
  ${banner} ${options.url} ${tty}
`));
