// `berth events`
import type { EventMessage } from '@berth/api/event';
import { daemonEvents } from '@berth/client/system/events';
import type { Command } from '../command.ts';
import { filtersOf } from '../filter-flag.ts';
import { compileTemplate, goJson } from '../format/template.ts';
import { timestamp } from '../format/timestamp.ts';

export const command: Command = {
  usage: 'events [OPTIONS]',
  description: 'Get real time events from the server',
  flags: {
    filter: { type: 'string', array: true, alias: 'f', description: 'Filter output based on conditions provided' },
    format: { type: 'string', description: "Format output: 'json' or a Go template" },
    since: { type: 'string', description: 'Show all events created since timestamp' },
    until: { type: 'string', description: 'Stream events until this timestamp' },
  },
  arguments: { min: 0, max: 0 },
  async run(context, args) {
    const format = args.string('format');
    const render = format === undefined ? line : format === 'json' ? json : compileTemplate(format);
    const events = daemonEvents(context.engine, {
      filters: filtersOf(args, command.flags),
      ...(args.given('since') ? { since: timestamp(args.string('since') as string) } : {}),
      ...(args.given('until') ? { until: timestamp(args.string('until') as string) } : {}),
    });
    for await (const event of events) context.print(render(event));
  },
};

/** Attributes come by name, as Go's maps do. */
function json(event: EventMessage): string {
  const attributes = Object.fromEntries(Object.entries(event.Actor.Attributes).sort(([a], [b]) => (a < b ? -1 : 1)));
  return goJson({ ...event, Actor: { ...event.Actor, Attributes: attributes } });
}

/** `2026-11-21T08:00:00.000000000Z container start 3f… (image=busybox, name=web)` */
function line(event: EventMessage): string {
  const attributes = Object.entries(event.Actor?.Attributes ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join(', ');
  const nanoseconds = String(BigInt(event.timeNano) % 1_000_000_000n).padStart(9, '0');
  const moment = new Date(event.time * 1000).toISOString().replace(/\.\d+Z$/, `.${nanoseconds}Z`);
  return `${moment} ${event.Type} ${event.Action} ${event.Actor.ID}${attributes ? ` (${attributes})` : ''}`;
}
