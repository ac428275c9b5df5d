// `berth logs`
import { inspectContainer } from '@berth/client/containers/inspect';
import { containerLogs } from '@berth/client/containers/logs';
import type { Command } from '../command.ts';
import { timestamp } from '../format/timestamp.ts';
import { joinOutput } from '../terminal/streams.ts';

export const command: Command = {
  usage: 'logs [OPTIONS] CONTAINER',
  description: 'Fetch the logs of a container',
  flags: {
    details: { type: 'boolean', description: 'Show extra details provided to logs' },
    follow: { type: 'boolean', alias: 'f', description: 'Follow log output' },
    since: {
      type: 'string',
      description: 'Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)',
    },
    tail: { type: 'string', alias: 'n', description: 'Number of lines to show from the end of the logs', default: 'all' },
    timestamps: { type: 'boolean', alias: 't', description: 'Show timestamps' },
    until: {
      type: 'string',
      description: 'Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)',
    },
  },
  arguments: { min: 1, max: 1 },
  async run(context, args) {
    const { Id: id, Config: config } = await inspectContainer(context.engine, args.at(0));
    const body = await containerLogs(context.engine, id, {
      stdout: true,
      stderr: true,
      details: args.boolean('details'),
      follow: args.boolean('follow'),
      timestamps: args.boolean('timestamps'),
      tail: args.string('tail') ?? 'all',
      ...(args.given('since') ? { since: timestamp(args.string('since') as string, { flag: 'since' }) } : {}),
      ...(args.given('until') ? { until: timestamp(args.string('until') as string, { flag: 'until' }) } : {}),
    });
    await joinOutput(context, body, config.Tty !== true);
  },
};
