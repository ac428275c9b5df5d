// `berth context use`
import type { Command } from '../command.ts';
import { changeConfigFile } from '../config-file.ts';
import { DEFAULT, recordOf } from './named.ts';

export const command: Command = {
  usage: 'context use CONTEXT',
  description: 'Set the current context',
  flags: {},
  arguments: { min: 1, max: 1 },
  async run(context, args) {
    const name = args.at(0);
    recordOf(context, name);
    changeConfigFile(context.configDirectory, (whole) => ({ ...whole, currentContext: name === DEFAULT ? undefined : name }));
    context.print(name);
    context.warn(`Current context is now "${name}"`);
    if (name !== DEFAULT && context.environment.DOCKER_HOST) {
      context.warn(
        `Warning: DOCKER_HOST environment variable overrides the active context. To use "${name}", either set the global --context flag, or unset DOCKER_HOST environment variable.`,
      );
    }
  },
};
