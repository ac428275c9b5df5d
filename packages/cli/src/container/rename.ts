// `berth rename`
import { renameContainer } from '@berth/client/containers/rename';
import type { Command } from '../command.ts';
import { daemonText, ExitError } from '../exit.ts';

export const command: Command = {
  usage: 'rename CONTAINER NEW_NAME',
  description: 'Rename a container',
  flags: {},
  arguments: { min: 2, max: 2 },
  async run(context, args) {
    const [from, to] = [args.at(0).trim(), args.at(1).trim()];
    if (!from || !to) throw new ExitError(1, 'Error: Neither old nor new names may be empty');
    await renameContainer(context.engine, from, to).catch((error) => {
      throw new ExitError(1, `${daemonText(error)}\nError: failed to rename container named ${from}`, error);
    });
  },
};
