// `berth volume import`: beyond Docker. The volume is made when there is none; one that was made for an import that fails goes again.
import { createVolume } from '@berth/client/volumes/create';
import { importVolume } from '@berth/client/volumes/import';
import { listVolumes } from '@berth/client/volumes/list';
import { removeVolume } from '@berth/client/volumes/remove';
import type { Command } from '../command.ts';
import { ExitError } from '../exit.ts';
import { openInput } from '../input-file.ts';

export const command: Command = {
  usage: 'volume import VOLUME [FILE|-]',
  description: "Replace a volume's files by those of a tar archive (plain, gzip or zstd)",
  flags: {},
  arguments: { min: 1, max: 2 },
  async run(context, args) {
    const [name = '', path = '-'] = args.positional;
    if (path === '-' && context.stdin.isTTY) throw new ExitError(1, 'requested import from stdin, but stdin is a terminal: name a file');
    const archive = openInput(path);
    const { Volumes: known } = await listVolumes(context.engine, { name: [name] });
    const made = !known?.some((volume) => volume.Name === name);
    if (made) await createVolume(context.engine, { Name: name });
    try {
      await importVolume(context.engine, name, archive);
    } catch (error) {
      if (made) await removeVolume(context.engine, name);
      throw error;
    }
  },
};
