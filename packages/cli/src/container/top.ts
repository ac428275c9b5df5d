// `berth top`
import { topContainer } from '@berth/client/containers/top';
import type { Command } from '../command.ts';
import { table } from '../format/table.ts';

export const command: Command = {
  usage: 'top CONTAINER [ps OPTIONS]',
  description: 'Display the running processes of a container',
  flags: {},
  arguments: { min: 1 },
  stopAtArgument: true,
  async run(context, args) {
    const processes = await topContainer(context.engine, args.at(0), args.positional.slice(1).join(' '));
    context.print(table([processes.Titles, ...processes.Processes], { minimum: 20 }));
  },
};
