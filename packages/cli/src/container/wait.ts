// `berth wait`
import { waitContainer } from '@berth/client/containers/wait';
import type { Command } from '../command.ts';
import { forEach } from './for-each.ts';

export const command: Command = {
  usage: 'wait CONTAINER [CONTAINER...]',
  description: 'Block until one or more containers stop, then print their exit codes',
  flags: {},
  arguments: { min: 1 },
  run: (context, args) =>
    forEach(context, args.positional, async (id) => String((await (await waitContainer(context.engine, id)).exit).StatusCode)),
};
