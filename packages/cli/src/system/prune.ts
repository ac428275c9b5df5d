// `berth system prune`: what each noun's own prune does, one after the other, with one question and one sum.
import { pruneBuildCache } from '@berth/client/build/prune';
import { pruneContainers } from '@berth/client/containers/prune';
import type { Engine } from '@berth/client/engine';
import type { Filters } from '@berth/client/filters';
import { pruneImages } from '@berth/client/images/prune';
import { pruneNetworks } from '@berth/client/networks/prune';
import { pruneVolumes } from '@berth/client/volumes/prune';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Command } from '../command.ts';
import { filtersOf } from '../filter-flag.ts';
import { confirmed } from '../format/confirm.ts';
import { printDeleted, printReclaimed } from '../format/pruned.ts';
import { prunedNames } from '../image/deleted-text.ts';

export const command: Command = {
  usage: 'system prune [OPTIONS]',
  description: 'Remove unused data',
  flags: {
    all: { type: 'boolean', alias: 'a', description: 'Remove all unused images not just dangling ones' },
    filter: { type: 'string', array: true, description: 'Provide filter values (e.g. "label=<key>=<value>")' },
    force: { type: 'boolean', alias: 'f', description: 'Do not prompt for confirmation' },
    volumes: { type: 'boolean', description: 'Prune anonymous volumes' },
  },
  arguments: { min: 0, max: 0 },
  async run(context, args) {
    const filters = filtersOf(args, command.flags);
    const all = args.boolean('all');
    const volumes = args.boolean('volumes');
    // A volume has no time.
    if (volumes && filters.until) {
      throw new EngineError('InvalidArgument', 'ERROR: The "until" filter is not supported with "--volumes"', { layer: 'cli' });
    }
    if (!args.boolean('force') && !(await confirmed(context, warning({ all, volumes, filters: args.list('filter') })))) return 0;
    let bytes = 0;
    for (const prune of prunes(context.engine, { all, volumes, filters })) {
      const { title, names, freed } = await prune();
      printDeleted(context, title, names);
      bytes += freed;
    }
    printReclaimed(context, bytes);
    return 0;
  },
};

interface Pruned {
  title: string;
  names: readonly string[] | null;
  /** Bytes. */
  freed: number;
}

function prunes(
  engine: Engine,
  { all, volumes, filters }: { all: boolean; volumes: boolean; filters: Filters },
): (() => Promise<Pruned>)[] {
  const containers = async (): Promise<Pruned> => {
    const { ContainersDeleted, SpaceReclaimed } = await pruneContainers(engine, filters);
    return { title: 'Deleted Containers', names: ContainersDeleted, freed: SpaceReclaimed };
  };
  const networks = async (): Promise<Pruned> => {
    const { NetworksDeleted } = await pruneNetworks(engine, filters);
    return { title: 'Deleted Networks', names: NetworksDeleted, freed: 0 };
  };
  const anonymous = async (): Promise<Pruned> => {
    const { VolumesDeleted, SpaceReclaimed } = await pruneVolumes(engine, filters);
    return { title: 'Deleted Volumes', names: VolumesDeleted, freed: SpaceReclaimed };
  };
  const images = async (): Promise<Pruned> => {
    const pruned = await pruneImages(engine, all ? { ...filters, dangling: ['false'] } : filters);
    return { title: 'Deleted Images', names: prunedNames(pruned), freed: pruned.SpaceReclaimed };
  };
  const cache = async (): Promise<Pruned> => {
    const { CachesDeleted, SpaceReclaimed } = await pruneBuildCache(engine, { all, filters });
    return { title: 'Deleted build cache objects', names: CachesDeleted, freed: SpaceReclaimed };
  };
  return [containers, networks, ...(volumes ? [anonymous] : []), images, cache];
}

function warning({ all, volumes, filters }: { all: boolean; volumes: boolean; filters: readonly string[] }): string {
  const parts = [
    'all stopped containers',
    'all networks not used by at least one container',
    ...(volumes ? ['all anonymous volumes not used by at least one container'] : []),
    all ? 'all images without at least one container associated to them' : 'all dangling images',
    all ? 'all build cache' : 'unused build cache',
  ];
  const list = (items: readonly string[]) => items.map((item) => `  - ${item}\n`).join('');
  const chosen = filters.length > 0 ? `\n  Items to be pruned will be filtered with:\n${list(filters)}` : '';
  return `WARNING! This will remove:\n${list(parts)}${chosen}`;
}
