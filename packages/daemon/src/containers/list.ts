// `GET /containers/json`: which containers `ps` shows.
import type { ContainerSummary } from '@berth/api/container';
import type { Filters } from '@berth/api/filters';
import { EngineError } from '@berth/errdefs/engine-error';
import { findNetwork } from '../networks/find-network.ts';
import type { Container } from './container.ts';
import type { ContainerContext } from './context.ts';
import { summarizeContainer } from './describe.ts';

export const LIST_FILTERS = [
  'ancestor',
  'before',
  'exited',
  'expose',
  'health',
  'id',
  'is-task',
  'isolation',
  'label',
  'name',
  'network',
  'publish',
  'since',
  'status',
  'volume',
] as const;
const PHASES = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'];

export interface ListOptions {
  /** Those that do not run, too. */
  readonly all: boolean;
  /** The newest so many, whether they run or not. */
  readonly limit: number | undefined;
  readonly size: boolean;
  readonly filters: Filters;
}

export async function listContainers(context: ContainerContext, options: ListOptions): Promise<ContainerSummary[]> {
  const { filters } = options;
  for (const phase of filters.get('status')) {
    if (!PHASES.includes(phase)) throw new EngineError('InvalidArgument', `invalid filter 'status=${phase}'`, { layer: 'daemon' });
  }
  const limited = options.limit !== undefined && options.limit > 0;
  const everything =
    options.all || limited || filters.has('status') || filters.has('exited') || filters.has('before') || filters.has('since');
  const before = edge(context, filters.get('before'));
  const after = edge(context, filters.get('since'));
  const images = await ancestors(context, filters);
  const chosen = context.store
    .all()
    .filter(
      (container) =>
        (everything || container.running || container.restarting) &&
        (before === undefined || container.record.created < before) &&
        (after === undefined || container.record.created > after) &&
        (images === undefined || images.has(container.record.imageId)) &&
        matches(context, container, filters),
    );
  return (limited ? chosen.slice(0, options.limit) : chosen).map((container) => summarizeContainer(context, container, options));
}

function edge(context: ContainerContext, references: readonly string[]): string | undefined {
  const [reference] = references;
  return reference === undefined ? undefined : context.store.get(reference).record.created;
}

/** The images that `ancestor` names; one that does not exist has no descendants. */
async function ancestors(context: ContainerContext, filters: Filters): Promise<ReadonlySet<string> | undefined> {
  if (!filters.has('ancestor')) return undefined;
  const found = await Promise.all(filters.get('ancestor').map((reference) => context.images.resolve(reference).catch(() => undefined)));
  return new Set(found.flatMap((image) => (image ? [image.id as string] : [])));
}

function matches(context: ContainerContext, container: Container, filters: Filters): boolean {
  const { record } = container;
  return (
    filters.some('id', (wanted) => record.id.startsWith(wanted)) &&
    (filters.fuzzy('name', record.name) || filters.fuzzy('name', `/${record.name}`)) &&
    filters.labels('label', record.config.Labels) &&
    filters.exact('status', record.state.phase) &&
    filters.some(
      'exited',
      (code) => record.state.phase === 'exited' && Number(code) === record.state.exitCode && !record.state.finishedAt.startsWith('0001'),
    ) &&
    filters.exact('health', record.state.health?.Status ?? 'none') &&
    filters.some('volume', (wanted) =>
      record.mounts.some((mount) => mount.Name === wanted || mount.Destination === wanted || mount.Source === wanted),
    ) &&
    filters.some('network', (wanted) => onNetwork(context, container, wanted)) &&
    filters.some('expose', (wanted) => Object.keys(record.config.ExposedPorts ?? {}).some((port) => portMatches(port, wanted))) &&
    filters.some('publish', (wanted) => Object.keys(record.hostConfig.PortBindings ?? {}).some((port) => portMatches(port, wanted))) &&
    filters.boolean('is-task') !== true
  );
}

function onNetwork(context: ContainerContext, container: Container, wanted: string): boolean {
  const id = findNetwork(context.networks, wanted)?.record.id;
  return Object.keys(container.record.networks).some((name) => name === wanted || findNetwork(context.networks, name)?.record.id === id);
}

/** `80`, `80/tcp` or `80-90/udp` against a container's `80/tcp`. */
function portMatches(port: string, wanted: string): boolean {
  const [number = '', protocol = 'tcp'] = port.split('/');
  const [range = '', wantedProtocol = 'tcp'] = wanted.split('/');
  const [first, last = first] = range.split('-').map(Number);
  return protocol === wantedProtocol && Number(number) >= (first ?? 0) && Number(number) <= (last ?? 0);
}
