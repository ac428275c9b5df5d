// Filters as the Engine API takes them: a JSON object of key → values, in the `filters` query parameter.
import { EngineError } from '@berth/errdefs/engine-error';

export type Filters = Record<string, string[]>;

/** `undefined` when there is nothing to filter by. */
export function encodeFilters(filters: Filters | undefined): string | undefined {
  if (!filters || Object.keys(filters).length === 0) return undefined;
  const wire = Object.fromEntries(
    Object.entries(filters).map(([key, values]) => [key, Object.fromEntries(values.map((value) => [value, true]))]),
  );
  return JSON.stringify(wire);
}

/** `--filter key=value`, several times. */
export function parseFilters(flags: readonly string[] = []): Filters {
  const filters: Filters = {};
  for (const flag of flags) {
    const at = flag.indexOf('=');
    if (at < 1)
      throw new EngineError(
        'InvalidArgument',
        `invalid argument "${flag}" for "-f, --filter" flag: bad format of filter (expected name=value)`,
        { layer: 'cli' },
      );
    const key = flag.slice(0, at).trim().toLowerCase();
    filters[key] = [...(filters[key] ?? []), flag.slice(at + 1).trim()];
  }
  return filters;
}
