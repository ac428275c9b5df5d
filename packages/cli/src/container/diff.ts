// `berth diff`
import { containerChanges } from '@berth/client/containers/changes';
import type { Command } from '../command.ts';

const KINDS = ['C', 'A', 'D'] as const;

export const command: Command = {
  usage: 'diff CONTAINER',
  description: "Inspect changes to files or directories on a container's filesystem",
  flags: {},
  arguments: { min: 1, max: 1 },
  async run(context, args) {
    for (const change of await containerChanges(context.engine, args.at(0))) context.print(`${KINDS[change.Kind]} ${change.Path}`);
  },
};
