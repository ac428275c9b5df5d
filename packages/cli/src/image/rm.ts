// `berth rmi`
import { removeImage } from '@berth/client/images/remove';
import { isKind } from '@berth/errdefs/engine-error';
import type { Command } from '../command.ts';
import { forEach } from '../container/for-each.ts';
import { deletedText } from './deleted-text.ts';
import { platformField } from './platform.ts';

export const command: Command = {
  usage: 'rmi [OPTIONS] IMAGE [IMAGE...]',
  description: 'Remove one or more images',
  flags: {
    force: { type: 'boolean', alias: 'f', description: 'Force removal of the image' },
    'no-prune': { type: 'boolean', description: 'Do not delete untagged parents' },
    platform: { type: 'string', array: true, description: 'Remove only the given platform variant. Formatted as "os[/arch[/variant]]"' },
  },
  arguments: { min: 1 },
  run: (context, args) =>
    forEach(
      context,
      args.positional,
      async (name) => {
        const removed = await removeImage(context.engine, name, {
          force: args.boolean('force'),
          noPrune: args.boolean('no-prune'),
          platforms: args.list('platform').flatMap((text) => text.split(',').flatMap((one) => platformField(one).platform ?? [])),
        });
        return removed.map(deletedText).join('\n');
      },
      { harmless: (error) => args.boolean('force') && isKind(error, 'NotFound') },
    ),
};
