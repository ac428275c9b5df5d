// `POST /containers/prune`: removes containers that do not run.
import type { ContainersPruneResponse } from '@berth/api/container';
import type { Filters } from '@berth/api/filters';
import { parseDuration } from '@berth/api/units';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Span } from '@berth/trace/tracer';
import { parseTime, parseTimestamp } from '../state/clock.ts';
import { directorySize } from '../state/disk.ts';
import type { ContainerContext } from './context.ts';
import { removeContainer } from './remove.ts';
import { layersOf } from './rootfs.ts';

export const PRUNE_FILTERS = ['label', 'label!', 'until'] as const;

export async function pruneContainers(context: ContainerContext, filters: Filters, span: Span): Promise<ContainersPruneResponse> {
  const until = untilOf(filters);
  const removed: string[] = [];
  let reclaimed = 0;
  for (const container of context.store.all()) {
    if (container.running || container.restarting) continue;
    const { Labels } = container.record.config;
    if (!filters.labels('label', Labels) || (filters.has('label!') && filters.labels('label!', Labels))) continue;
    if (until !== undefined && parseTime(container.record.created) >= until) continue;
    const upper = container.rootfs ? layersOf(container.rootfs).upper : undefined;
    const size = upper === undefined ? 0 : directorySize(upper);
    await removeContainer(context, container, { force: false, volumes: false }, span);
    removed.push(container.id);
    reclaimed += size;
  }
  context.events.emit('container', 'prune', '', { reclaimed: String(reclaimed) });
  return { ContainersDeleted: removed, SpaceReclaimed: reclaimed };
}

/** A moment, or a duration back from now (`24h`, `10m`). */
function untilOf(filters: Filters): bigint | undefined {
  const [text, another] = filters.get('until');
  if (text === undefined) return undefined;
  if (another !== undefined) throw new EngineError('InvalidArgument', 'more than one until filter specified', { layer: 'daemon' });
  // A bare 0 is a moment, of 1970.
  const duration = text === '0' ? undefined : parseDuration(text);
  if (duration !== undefined) return BigInt(Math.floor(Date.now() * 1e6 - duration));
  const moment = parseTimestamp(text);
  if (moment === undefined) throw new EngineError('InvalidArgument', `invalid filter 'until=${text}'`, { layer: 'daemon' });
  return moment;
}
