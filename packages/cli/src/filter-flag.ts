// `--filter NAME=VALUE` of the listings and the prunes.
import { type Filters, parseFilters } from '@berth/client/filters';
import type { Flags } from './command.ts';
import { type Arguments, invalid } from './parse.ts';

export function filtersOf(args: Arguments, flags: Flags): Filters {
  const given = args.list('filter');
  for (const text of given)
    if (text.indexOf('=') < 1) throw invalid('filter', flags.filter, text, 'bad format of filter (expected name=value)');
  return parseFilters(given);
}
