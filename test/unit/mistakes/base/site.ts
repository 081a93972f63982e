import { defineOptions, oneOf, optional, text } from "debcast";
export const options = defineOptions({ customer: oneOf("acme", "globex"), device: oneOf("ipc227", "cm4"), vpnHost: optional(text({ match: /^[a-z0-9.-]+$/ })) });
export const tty = options.device === "cm4" ? "ttyAMA0" : "ttyS0";
