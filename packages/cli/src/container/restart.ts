// `berth restart`
import { restartContainer } from '@berth/client/containers/stop';
import type { Command } from '../command.ts';
import { forEach } from './for-each.ts';
import { STOP_FLAGS, stopOptions } from './stop-flags.ts';

export const command: Command = {
  usage: 'restart [OPTIONS] CONTAINER [CONTAINER...]',
  description: 'Restart one or more containers',
  flags: STOP_FLAGS,
  arguments: { min: 1 },
  run: (context, args) => forEach(context, args.positional, (id) => restartContainer(context.engine, id, stopOptions(args))),
};
