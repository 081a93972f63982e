import { defineOptions, listOf, need, text } from "debcast";
export const options = defineOptions({ port: 22, allow: listOf(text()) });
need("user");
