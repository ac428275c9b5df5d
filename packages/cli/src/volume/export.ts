// `berth volume export`: beyond Docker.
import { exportVolume } from '@berth/client/volumes/export';
import type { Command } from '../command.ts';
import { checkOutput, writeOutput } from '../output-file.ts';

export const command: Command = {
  usage: 'volume export [OPTIONS] VOLUME',
  description: "Export a volume's files as a tar archive",
  flags: { output: { type: 'string', alias: 'o', description: 'Write to a file, instead of STDOUT' } },
  arguments: { min: 1, max: 1 },
  async run(context, args) {
    const path = args.string('output');
    checkOutput(context, path, 'export volume');
    await writeOutput(context, path, await exportVolume(context.engine, args.at(0)));
  },
};
