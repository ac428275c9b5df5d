// `berth container prune`
import { pruneContainers } from '@berth/client/containers/prune';
import type { Command } from '../command.ts';
import { filtersOf } from '../filter-flag.ts';
import { confirmed } from '../format/confirm.ts';
import { printDeleted, printReclaimed } from '../format/pruned.ts';

export const command: Command = {
  usage: 'container prune [OPTIONS]',
  description: 'Remove all stopped containers',
  flags: {
    filter: { type: 'string', array: true, description: 'Provide filter values (e.g. "label=<label>")' },
    force: { type: 'boolean', alias: 'f', description: 'Do not prompt for confirmation' },
  },
  arguments: { min: 0, max: 0 },
  async run(context, args) {
    const filters = filtersOf(args, command.flags);
    if (!args.boolean('force') && !(await confirmed(context, 'WARNING! This will remove all stopped containers.'))) return 0;
    const pruned = await pruneContainers(context.engine, filters);
    printDeleted(context, 'Deleted Containers', pruned.ContainersDeleted);
    printReclaimed(context, pruned.SpaceReclaimed);
    return 0;
  },
};
