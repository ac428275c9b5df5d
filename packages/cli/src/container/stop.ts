// `berth stop`
import { stopContainer } from '@berth/client/containers/stop';
import type { Command } from '../command.ts';
import { forEach } from './for-each.ts';
import { STOP_FLAGS, stopOptions } from './stop-flags.ts';

export const command: Command = {
  usage: 'stop [OPTIONS] CONTAINER [CONTAINER...]',
  description: 'Stop one or more running containers',
  flags: STOP_FLAGS,
  arguments: { min: 1 },
  run: (context, args) =>
    forEach(context, args.positional, async (id) => {
      await stopContainer(context.engine, id, stopOptions(args));
    }),
};
