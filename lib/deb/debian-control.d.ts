declare module "debian-control" {
  /** One paragraph; a folded value is an array of its lines. */
  export function parse(text: string): Record<string, string | string[]>;
}
