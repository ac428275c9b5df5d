// berth-runtime events: a container's measurements as lines of JSON, once or at an interval.
import { loadContainer } from '../container.ts';
import { statsEvent } from '../stats-event.ts';
import { onlyId, textOf, usage } from './arguments.ts';
import { type Command, print } from './command.ts';

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
    while (container.status() !== 'stopped') {
      line();
      await new Promise((resolve) => setTimeout(resolve, interval));
    }
    return 0;
  },
};

function duration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  const milliseconds = match ? Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? 0) : 0;
  if (milliseconds <= 0) throw usage(`duration interval must be greater than 0, for example 5s: ${text}`);
  return milliseconds;
}
