// berth-runtime events: a container's measurements as lines of JSON, once or at an interval, and every time that it ran out of memory.
import { setTimeout } from 'node:timers/promises';
import { type Container, loadContainer } from '../container.ts';
import { statsEvent } from '../stats-event.ts';
import { onlyId, textOf, usage } from './arguments.ts';
import { type Command, print } from './command.ts';

/** The kernel counts the processes that it killed: a look at the counter costs a few microseconds. */
const LOOK_FOR_OOM_MS = 200;
const UNIT_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

export const events: Command = {
  usage: '[options] ID',
  help: 'print measurements of a container',
  flags: {
    interval: { kind: 'value', help: 'time between two lines (default: 5s)' },
    stats: { kind: 'flag', help: 'print one line and end' },
  },
  permute: true,
  async run(parsed, { root }) {
    const container = loadContainer(root, onlyId(parsed, 'events'));
    const line = () => print(`${JSON.stringify(statsEvent(container.id, container.stats()))}\n`);
    if (container.status() === 'stopped') throw usage('container not running');
    if (parsed.flags.has('stats')) {
      line();
      return 0;
    }
    const interval = duration(textOf(parsed, 'interval') ?? '5s');
    await report(container, interval, line);
    return 0;
  },
};

/** Until the container ends, or is deleted. */
async function report(container: Container, interval: number, stats: () => void): Promise<void> {
  const cgroup = container.cgroup();
  let kills = cgroup.oomKills();
  let next = 0;
  while (cgroup.exists() && container.status() !== 'stopped') {
    if (performance.now() >= next) {
      stats();
      next = performance.now() + interval;
    }
    await setTimeout(Math.min(interval, LOOK_FOR_OOM_MS));
    const now = cgroup.oomKills();
    if (now > kills) print(`${JSON.stringify({ type: 'oom', id: container.id })}\n`);
    kills = now;
  }
}

function duration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  const milliseconds = match ? Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? 0) : 0;
  if (milliseconds <= 0) throw usage(`duration interval must be greater than 0, for example 5s: ${text}`);
  return milliseconds;
}
