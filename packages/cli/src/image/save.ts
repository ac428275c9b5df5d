// `berth save`
import { saveImages } from '@berth/client/images/save';
import type { Command } from '../command.ts';
import { checkOutput, writeOutput } from '../output-file.ts';
import { platformField } from './platform.ts';

export const command: Command = {
  usage: 'save [OPTIONS] IMAGE [IMAGE...]',
  description: 'Save one or more images to a tar archive (streamed to STDOUT by default)',
  flags: {
    output: { type: 'string', alias: 'o', description: 'Write to a file, instead of STDOUT' },
    platform: { type: 'string', description: 'Save only the given platform(s). Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")' },
  },
  arguments: { min: 1 },
  async run(context, args) {
    const path = args.string('output');
    checkOutput(context, path, 'save image');
    await writeOutput(context, path, await saveImages(context.engine, args.positional, platformField(args.string('platform'))));
  },
};
