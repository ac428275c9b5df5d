// Restart policies as containerd's clients write them into a container's labels (its restart monitor; nerdctl run --restart).
import { EngineError } from '@berth/errdefs/engine-error';
import type { Labels } from '../metadata/labels.ts';

/** In which state a container's task is to be: `running` or `stopped`. Containers without it are left alone. */
export const STATUS_LABEL = 'containerd.io/restart.status';
/** `always`, `unless-stopped`, `on-failure[:times]`, `no`; absent is `always`. */
const POLICY_LABEL = 'containerd.io/restart.policy';
/** How often the monitor has started the container. */
export const COUNT_LABEL = 'containerd.io/restart.count';
/** `true` once somebody has stopped the container on purpose. */
const STOPPED_LABEL = 'containerd.io/restart.explicitly-stopped';
/** Where the output of a restarted task goes, as in Tasks.Create; nowhere without. */
const LOG_URI_LABEL = 'containerd.io/restart.loguri';
/** A file's path: the older form. */
const LOG_PATH_LABEL = 'containerd.io/restart.logpath';

interface Policy {
  name: 'no' | 'always' | 'unless-stopped' | 'on-failure';
  /** 0: any number of times. */
  times: number;
}

/** Whether a task that does not run is to be started. InvalidArgument for labels that are none of the above. */
export function wantsRestart(labels: Labels, exitStatus: number): boolean {
  const { name, times } = parsePolicy(labels[POLICY_LABEL] ?? '');
  switch (name) {
    case 'always':
      return true;
    case 'unless-stopped':
      return !/^(1|t|true)$/i.test(labels[STOPPED_LABEL] ?? '');
    case 'on-failure':
      return exitStatus !== 0 && (times === 0 || restartCount(labels) < times);
    case 'no':
      return false;
  }
}

export function restartCount(labels: Labels): number {
  return Number.parseInt(labels[COUNT_LABEL] ?? '', 10) || 0;
}

/** The URI for stdout and stderr of a restarted task; '' is nowhere. */
export function restartLog(labels: Labels): string {
  const path = labels[LOG_PATH_LABEL];
  return labels[LOG_URI_LABEL] ?? (path ? `file://${path}` : '');
}

function parsePolicy(text: string): Policy {
  const [name = '', times, ...more] = text.split(':');
  if ((name === '' || name === 'always' || name === 'unless-stopped' || name === 'no') && times === undefined)
    return { name: name || 'always', times: 0 };
  if (name === 'on-failure' && more.length === 0 && /^\d*$/.test(times ?? '')) return { name, times: Number(times ?? 0) };
  throw new EngineError('InvalidArgument', `restart policy "${text}" not supported: invalid argument`, { layer: 'lifecycle' });
}
