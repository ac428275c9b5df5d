// `berth search`
import { searchImages } from '@berth/client/images/search';
import type { Command } from '../command.ts';
import { filtersOf } from '../filter-flag.ts';
import { renderListing } from '../format/listing.ts';

export const command: Command = {
  usage: 'search [OPTIONS] TERM',
  description: 'Search Docker Hub for images',
  flags: {
    filter: { type: 'string', array: true, alias: 'f', description: 'Filter output based on conditions provided' },
    format: { type: 'string', description: 'Pretty-print search using a Go template' },
    limit: { type: 'number', description: 'Max number of search results' },
    'no-trunc': { type: 'boolean', description: "Don't truncate output" },
  },
  arguments: { min: 1, max: 1 },
  async run(context, args) {
    const limit = args.number('limit');
    const found = await searchImages(context.engine, args.at(0), {
      filters: filtersOf(args, command.flags),
      ...(limit === undefined ? {} : { limit }),
    });
    const cut = (text: string) => (args.boolean('no-trunc') || text.length <= 45 ? text : `${text.slice(0, 44)}…`);
    const rows = found.map((item) => ({
      Name: item.name,
      Description: cut(item.description.replace(/[\r\n]+/g, ' ')),
      StarCount: item.star_count,
      IsOfficial: item.is_official ? '[OK]' : '',
    }));
    const text = renderListing(
      {
        standard: 'table {{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}',
        headings: { Name: 'NAME', Description: 'DESCRIPTION', StarCount: 'STARS', IsOfficial: 'OFFICIAL' },
        identity: 'Name',
        rows,
      },
      args.given('format') ? { format: args.string('format') as string } : {},
    );
    if (text) context.print(text);
  },
};
