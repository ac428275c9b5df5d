// `berth stats`
import type { ContainerStats } from '@berth/api/stats';
import { binarySize, humanSize } from '@berth/api/units';
import { listContainers } from '@berth/client/containers/list';
import { containerStats } from '@berth/client/containers/stats';
import type { Command } from '../command.ts';
import { renderListing } from '../format/listing.ts';

const HEADINGS = {
  ID: 'CONTAINER ID',
  Container: 'CONTAINER',
  Name: 'NAME',
  CPUPerc: 'CPU %',
  MemUsage: 'MEM USAGE / LIMIT',
  MemPerc: 'MEM %',
  NetIO: 'NET I/O',
  BlockIO: 'BLOCK I/O',
  PIDs: 'PIDS',
};
const STANDARD = 'table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}';

export const command: Command = {
  usage: 'stats [OPTIONS] [CONTAINER...]',
  description: 'Display a live stream of container(s) resource usage statistics',
  flags: {
    all: { type: 'boolean', alias: 'a', description: 'Show all containers (default shows just running)' },
    format: { type: 'string', description: "Format output: 'table', 'table TEMPLATE', 'json' or a Go template" },
    'no-stream': { type: 'boolean', description: 'Disable streaming stats and only pull the first result' },
    'no-trunc': { type: 'boolean', description: 'Do not truncate output' },
  },
  arguments: { min: 0 },
  async run(context, args) {
    const { engine } = context;
    const names =
      args.positional.length > 0 ? args.positional : (await listContainers(engine, { all: args.boolean('all') })).map(({ Id }) => Id);
    const format = args.string('format') ?? context.config.statsFormat;
    const full = args.boolean('no-trunc');
    const latest = new Map<string, ContainerStats>();
    const show = () => {
      const rows = names.flatMap((name) => {
        const stats = latest.get(name);
        return stats ? [row(name, stats, full)] : [];
      });
      const text = renderListing({ standard: STANDARD, headings: HEADINGS, identity: 'ID', rows }, format ? { format } : {});
      context.stdout.write(`${context.stdout.isTTY && !args.boolean('no-stream') ? '\x1b[2J\x1b[H' : ''}${text}\n`);
    };
    if (args.boolean('no-stream')) {
      await Promise.all(
        names.map(async (name) => {
          for await (const stats of containerStats(engine, name, { stream: false })) latest.set(name, stats);
        }),
      );
      show();
      return;
    }
    const timer = setInterval(show, 1000);
    try {
      await Promise.all(
        names.map(async (name) => {
          for await (const stats of containerStats(engine, name, { stream: true })) latest.set(name, stats);
        }),
      );
    } finally {
      clearInterval(timer);
    }
  },
};

function row(name: string, stats: ContainerStats, full: boolean) {
  const memory = stats.memory_stats;
  const cache = memory.stats?.total_inactive_file ?? memory.stats?.inactive_file ?? 0;
  const used = Math.max(0, (memory.usage ?? 0) - cache);
  const limit = memory.limit ?? 0;
  const network = Object.values(stats.networks ?? {});
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  const blocks = (op: string) =>
    sum((stats.blkio_stats.io_service_bytes_recursive ?? []).filter((entry) => entry.op.toLowerCase() === op).map((entry) => entry.value));
  return {
    BlockIO: `${humanSize(blocks('read'))} / ${humanSize(blocks('write'))}`,
    CPUPerc: `${cpuPercent(stats).toFixed(2)}%`,
    Container: name,
    ID: full ? stats.id : stats.id.slice(0, 12),
    MemPerc: `${(limit ? (used / limit) * 100 : 0).toFixed(2)}%`,
    MemUsage: `${binarySize(used)} / ${binarySize(limit)}`,
    Name: stats.name.replace(/^\//, ''),
    NetIO: `${humanSize(sum(network.map((one) => one.rx_bytes)))} / ${humanSize(sum(network.map((one) => one.tx_bytes)))}`,
    PIDs: String(stats.pids_stats.current ?? 0),
  };
}

function cpuPercent({ cpu_stats: now, precpu_stats: before }: ContainerStats): number {
  const used = now.cpu_usage.total_usage - before.cpu_usage.total_usage;
  const system = (now.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? 0);
  return used > 0 && system > 0 ? (used / system) * (now.online_cpus ?? now.cpu_usage.percpu_usage?.length ?? 1) * 100 : 0;
}
