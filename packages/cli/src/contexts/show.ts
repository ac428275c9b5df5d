// `berth context show`
import type { Command } from '../command.ts';

export const command: Command = {
  usage: 'context show',
  description: 'Print the name of the current context',
  flags: {},
  arguments: { min: 0, max: 0 },
  async run(context) {
    context.print(context.contextName);
  },
};
