import { defineImage } from "debcast";
export default defineImage({
  suite: "trixie",
  arch: "amd64",
  hostname: "box",
  scriptlets: ["site", "ssh", "kiosk"],
  options: { site: { customer: "acme", device: "cm4" }, ssh: { allow: [] }, kiosk: { url: "https://x.example", rotate: 0 } },
  users: [{ name: "ada" }],
});
