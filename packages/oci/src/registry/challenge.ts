// WWW-Authenticate headers (RFC 9110 section 11.6.1): `Bearer realm="…",service="…",scope="…"` or `Basic realm="…"`.
// One header may hold several challenges, and parameters may be tokens or quoted strings.

export interface Challenge {
  /** Lower case: basic, bearer. */
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

export function parseChallenges(headers: readonly string[]): Challenge[] {
  return headers.flatMap(parseHeader);
}

const ITEM = /\s*,*\s*([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))|(?=[\s,]|$))/y;

function parseHeader(header: string): Challenge[] {
  const found: { scheme: string; parameters: Record<string, string> }[] = [];
  ITEM.lastIndex = 0;
  for (let match = ITEM.exec(header); match !== null; match = ITEM.exec(header)) {
    const [, name = '', quoted, token] = match;
    const value = quoted?.replace(/\\(.)/g, '$1') ?? token;
    const current = found.at(-1);
    if (value === undefined) found.push({ scheme: name.toLowerCase(), parameters: {} });
    else if (current) current.parameters[name.toLowerCase()] = value;
  }
  return found;
}
