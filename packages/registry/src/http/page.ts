// Lists in pages: `n` items after `last`, and a Link header (RFC 8288) to the next page when there is one.
import { Problem } from '../problem.ts';

export interface Page {
  readonly n: number | undefined;
  readonly last: string | undefined;
}

export function requestedPage(query: URLSearchParams): Page {
  const text = query.get('n');
  const last = query.get('last') ?? undefined;
  if (text === null) return { n: undefined, last };
  if (!/^\d{1,9}$/.test(text)) throw new Problem('PAGINATION_NUMBER_INVALID', undefined, { detail: { n: text.slice(0, 100) } });
  return { n: Number(text), last };
}

/** `items` in the order of `compare`; at most `n` of them, those that come after `last`. */
export function pageOf(
  items: readonly string[],
  page: Page,
  compare: (a: string, b: string) => number,
): { items: string[]; more: boolean } {
  const { last } = page;
  const after = last === undefined ? [...items] : items.filter((item) => compare(item, last) > 0);
  after.sort(compare);
  const n = page.n ?? after.length;
  return { items: after.slice(0, n), more: n > 0 && after.length > n };
}

/** The Link header of a page that is not the last. */
export function nextLink(path: string, parameters: Record<string, string | undefined>): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(parameters)) if (value !== undefined) query.set(key, value);
  return `<${path}?${query}>; rel="next"`;
}

/** Byte order: repositories. */
export function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Lexical order as the specification has it for tags: without regard to case, which decides only between equals. */
export function byLetters(a: string, b: string): number {
  return byBytes(a.toLowerCase(), b.toLowerCase()) || byBytes(a, b);
}
