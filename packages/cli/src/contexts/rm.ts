// `berth context rm`
import type { Command } from '../command.ts';
import { changeConfigFile } from '../config-file.ts';
import { ExitError } from '../exit.ts';
import { DEFAULT } from './named.ts';

export const command: Command = {
  usage: 'context rm CONTEXT [CONTEXT...]',
  description: 'Remove one or more contexts',
  flags: { force: { type: 'boolean', alias: 'f', description: 'Force the removal of a context in use' } },
  arguments: { min: 1 },
  async run(context, args) {
    const force = args.boolean('force');
    const errors: string[] = [];
    for (const name of args.positional) {
      const current = name === context.contextName;
      if (name === DEFAULT) errors.push('context "default" cannot be removed');
      else if (!force && !context.contexts.has(name)) errors.push(`context "${name}" does not exist`);
      else if (!force && current) errors.push(`context "${name}" is in use, set -f flag to force remove`);
      else {
        if (current) changeConfigFile(context.configDirectory, (whole) => ({ ...whole, currentContext: undefined }));
        context.contexts.remove(name);
        context.print(name);
      }
    }
    if (errors.length > 0) throw new ExitError(1, errors.join('\n'));
  },
};
