// `berth export`
import { exportContainer } from '@berth/client/containers/export';
import type { Command } from '../command.ts';
import { checkOutput, writeOutput } from '../output-file.ts';

export const command: Command = {
  usage: 'export [OPTIONS] CONTAINER',
  description: "Export a container's filesystem as a tar archive",
  flags: { output: { type: 'string', alias: 'o', description: 'Write to a file, instead of STDOUT' } },
  arguments: { min: 1, max: 1 },
  async run(context, args) {
    const path = args.string('output');
    checkOutput(context, path, 'export container');
    await writeOutput(context, path, await exportContainer(context.engine, args.at(0)));
  },
};
