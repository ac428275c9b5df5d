// `berth volume snapshot`: beyond Docker.
import { createSnapshot, listSnapshots, removeSnapshot, restoreSnapshot } from '@berth/client/volumes/snapshots';
import type { Command } from '../command.ts';
import { UsageError } from '../exit.ts';
import { renderListing } from '../format/listing.ts';

export const command: Command = {
  usage: 'volume snapshot [OPTIONS] VOLUME [NAME]',
  description: "Keep a volume's files as they are now under a name, or go back to them",
  flags: {
    format: { type: 'string', description: "Format output of --list: 'table', 'table TEMPLATE', 'json' or a Go template" },
    list: { type: 'boolean', alias: 'l', description: "List the volume's snapshots" },
    restore: { type: 'boolean', description: "Replace the volume's files by the snapshot's" },
    rm: { type: 'boolean', description: 'Remove the snapshot' },
  },
  arguments: { min: 1, max: 2 },
  async run(context, args) {
    const [volume = '', name] = args.positional;
    const verbs = ['list', 'restore', 'rm'].filter((flag) => args.boolean(flag));
    if (verbs.length > 1) throw new UsageError(`conflicting options: --${verbs.join(' and --')}`, 1);
    if (args.boolean('list')) {
      const rows = (await listSnapshots(context.engine, volume)).map(({ Name, CreatedAt }) => ({ Name, CreatedAt }));
      const headings = { Name: 'SNAPSHOT', CreatedAt: 'CREATED' };
      const format = args.string('format');
      const standard = 'table {{.Name}}\t{{.CreatedAt}}';
      context.print(renderListing({ standard, headings, identity: 'Name', rows }, { quiet: false, ...(format ? { format } : {}) }));
      return;
    }
    if (verbs.length > 0 && name === undefined) throw new UsageError(`--${verbs[0]} needs the name of a snapshot`, 1);
    if (args.boolean('restore')) await restoreSnapshot(context.engine, volume, name as string);
    else if (args.boolean('rm')) await removeSnapshot(context.engine, volume, name as string);
    else context.print((await createSnapshot(context.engine, volume, name ?? stamp())).Name);
  },
};

/** 20250131-235959 */
function stamp(): string {
  return new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
}
