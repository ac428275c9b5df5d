// `berth builder prune`
import { parseSize } from '@berth/api/units';
import { pruneBuildCache } from '@berth/client/build/prune';
import type { Command } from '../command.ts';
import { filtersOf } from '../filter-flag.ts';
import { confirmed } from '../format/confirm.ts';
import { printDeleted, printReclaimed } from '../format/pruned.ts';
import { invalid } from '../parse.ts';

export const command: Command = {
  usage: 'builder prune',
  description: 'Remove build cache',
  flags: {
    all: { type: 'boolean', alias: 'a', description: 'Remove all unused build cache, not just dangling ones' },
    filter: { type: 'string', array: true, description: 'Provide filter values (e.g. "until=24h")' },
    force: { type: 'boolean', alias: 'f', description: 'Do not prompt for confirmation' },
    'keep-storage': { type: 'string', description: 'Amount of disk space to keep for cache' },
  },
  arguments: { min: 0, max: 0 },
  async run(context, args) {
    const all = args.boolean('all');
    const filters = filtersOf(args, command.flags);
    const kept = args.string('keep-storage') ?? '0';
    const keep = parseSize(kept);
    if (keep === undefined) throw invalid('keep-storage', command.flags['keep-storage'], kept, `invalid size: '${kept}'`);
    const warning = `WARNING! This will remove all ${all ? '' : 'dangling '}build cache.`;
    if (!args.boolean('force') && !(await confirmed(context, warning, ' '))) return 0;
    const pruned = await pruneBuildCache(context.engine, { all, filters, keep });
    printDeleted(context, 'Deleted build cache objects', pruned.CachesDeleted);
    printReclaimed(context, pruned.SpaceReclaimed);
    return 0;
  },
};
