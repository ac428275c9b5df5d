// `berth rmi`
import { removeImage } from '@berth/client/images/remove';
import type { Command } from '../command.ts';
import { forEach } from '../container/for-each.ts';
import { deletedText } from './deleted-text.ts';

export const command: Command = {
  usage: 'rmi [OPTIONS] IMAGE [IMAGE...]',
  description: 'Remove one or more images',
  flags: {
    force: { type: 'boolean', alias: 'f', description: 'Force removal of the image' },
    'no-prune': { type: 'boolean', description: 'Do not delete untagged parents' },
  },
  arguments: { min: 1 },
  run: (context, args) =>
    forEach(context, args.positional, async (name) => {
      const removed = await removeImage(context.engine, name, { force: args.boolean('force'), noPrune: args.boolean('no-prune') });
      return removed.map(deletedText).join('\n');
    }),
};
