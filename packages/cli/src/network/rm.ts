// `berth network rm`
import { removeNetwork } from '@berth/client/networks/remove';
import { isKind } from '@berth/errdefs/engine-error';
import type { Command } from '../command.ts';
import { forEach } from '../container/for-each.ts';

export const command: Command = {
  usage: 'network rm NETWORK [NETWORK...]',
  description: 'Remove one or more networks',
  flags: { force: { type: 'boolean', alias: 'f', description: 'Do not error if the network does not exist' } },
  arguments: { min: 1 },
  run: (context, args) =>
    forEach(context, args.positional, (name) =>
      removeNetwork(context.engine, name).catch((error) => {
        if (!args.boolean('force') || !isKind(error, 'NotFound')) throw error;
      }),
    ),
};
