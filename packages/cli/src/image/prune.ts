// `berth image prune`
import { pruneImages } from '@berth/client/images/prune';
import type { Command } from '../command.ts';
import { filtersOf } from '../filter-flag.ts';
import { confirmed } from '../format/confirm.ts';
import { printDeleted, printReclaimed } from '../format/pruned.ts';
import { prunedNames } from './deleted-text.ts';

export const command: Command = {
  usage: 'image prune [OPTIONS]',
  description: 'Remove unused images',
  flags: {
    filter: { type: 'string', array: true, description: 'Provide filter values (e.g. "label=<label>")' },
    all: { type: 'boolean', alias: 'a', description: 'Remove all unused images, not just dangling ones' },
    force: { type: 'boolean', alias: 'f', description: 'Do not prompt for confirmation' },
  },
  arguments: { min: 0, max: 0 },
  async run(context, args) {
    const filters = filtersOf(args, command.flags);
    const all = args.boolean('all');
    if (all) filters.dangling = ['false'];
    const warning = `WARNING! This will remove all ${all ? 'images without at least one container associated to them' : 'dangling images'}.`;
    if (!args.boolean('force') && !(await confirmed(context, warning))) return 0;
    const pruned = await pruneImages(context.engine, filters);
    printDeleted(context, 'Deleted Images', prunedNames(pruned));
    printReclaimed(context, pruned.SpaceReclaimed);
    return 0;
  },
};
