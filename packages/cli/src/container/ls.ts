// `berth ps`
import type { ContainerSummary, Port } from '@berth/api/container';
import { humanDuration, humanSize } from '@berth/api/units';
import { listContainers } from '@berth/client/containers/list';
import type { Command } from '../command.ts';
import { filtersOf } from '../filter-flag.ts';
import { renderListing } from '../format/listing.ts';

const STANDARD = 'table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}';

const RAW = `container_id: {{.ID}}
image: {{.Image}}
command: {{.Command}}
created_at: {{.CreatedAt}}
state: {{.State}}
status: {{.Status}}
names: {{.Names}}
labels: {{.Labels}}
ports: {{.Ports}}
`;

export const command: Command = {
  usage: 'ps [OPTIONS]',
  description: 'List containers',
  flags: {
    all: { type: 'boolean', alias: 'a', description: 'Show all containers (default shows just running)' },
    filter: { type: 'string', array: true, alias: 'f', description: 'Filter output based on conditions provided' },
    format: { type: 'string', description: "Format output: 'table', 'table TEMPLATE', 'json' or a Go template" },
    last: { type: 'number', alias: 'n', description: 'Show n last created containers (includes all states)' },
    latest: { type: 'boolean', alias: 'l', description: 'Show the latest created container (includes all states)' },
    'no-trunc': { type: 'boolean', description: "Don't truncate output" },
    quiet: { type: 'boolean', alias: 'q', description: 'Only display container IDs' },
    size: { type: 'boolean', alias: 's', description: 'Display total file sizes' },
  },
  arguments: { min: 0, max: 0 },
  async run(context, args) {
    const format = args.string('format') ?? context.config.psFormat;
    const limit = args.boolean('latest') ? 1 : args.number('last');
    const containers = await listContainers(context.engine, {
      all: args.boolean('all'),
      size: args.boolean('size') || /\{\{[^}]*(\.Size\b|json \.\s*\}\})/.test(format ?? ''),
      filters: filtersOf(args, command.flags),
      ...(limit !== undefined && limit > 0 ? { limit } : {}),
    });
    const full = args.boolean('no-trunc');
    const text = renderListing(
      {
        standard: args.boolean('size') ? `${STANDARD}\t{{.Size}}` : STANDARD,
        raw: args.boolean('quiet') ? 'container_id: {{.ID}}' : `${RAW}${args.boolean('size') ? 'size: {{.Size}}\n' : ''}`,
        headings: {
          ID: 'CONTAINER ID',
          Image: 'IMAGE',
          Command: 'COMMAND',
          CreatedAt: 'CREATED AT',
          RunningFor: 'CREATED',
          Status: 'STATUS',
          State: 'STATE',
          Ports: 'PORTS',
          Names: 'NAMES',
          Size: 'SIZE',
          Labels: 'LABELS',
          Mounts: 'MOUNTS',
          LocalVolumes: 'LOCAL VOLUMES',
          Networks: 'NETWORKS',
        },
        identity: 'ID',
        rows: containers.map((container) => row(container, full)),
      },
      { quiet: args.boolean('quiet'), ...(format ? { format } : {}) },
    );
    if (text) context.print(text);
  },
};

function row(container: ContainerSummary, full: boolean) {
  const names = container.Names.map((name) => name.replace(/^\//, ''));
  const command = JSON.stringify(full ? container.Command : ellipsis(container.Command, 20));
  const mounts = container.Mounts.map((mount) => mount.Name || mount.Source);
  return {
    Command: command,
    CreatedAt: new Date(container.Created * 1000).toISOString().replace('T', ' ').replace(/\..*/, ' +0000 UTC'),
    ID: full ? container.Id : container.Id.slice(0, 12),
    Image: container.Image || '<no image>',
    Labels: new Labels(container.Labels),
    LocalVolumes: String(container.Mounts.filter((mount) => mount.Driver === 'local').length),
    Mounts: mounts.map((mount) => (full ? mount : ellipsis(mount, 15))).join(','),
    Names: (full ? names : names.filter((name) => !name.includes('/'))).join(','),
    Networks: Object.keys(container.NetworkSettings?.Networks ?? {}).join(','),
    Platform: null,
    Ports: portsText(container.Ports),
    RunningFor: `${humanDuration(Date.now() / 1000 - container.Created)} ago`,
    Size: sizeText(container),
    State: container.State,
    Status: container.Status,
    Label: (name: string) => container.Labels[name] ?? '',
  };
}

/** Prints as `a=1,b=2`, in templates and in JSON alike. */
class Labels {
  readonly #labels: Record<string, string>;
  constructor(labels: Record<string, string> | null) {
    this.#labels = labels ?? {};
  }
  toString(): string {
    return Object.entries(this.#labels)
      .map(([name, value]) => `${name}=${value}`)
      .join(',');
  }
  toJSON(): string {
    return this.toString();
  }
}

function sizeText(container: ContainerSummary): string {
  const own = humanSize(container.SizeRw ?? 0);
  return container.SizeRootFs ? `${own} (virtual ${humanSize(container.SizeRootFs)})` : own;
}

function ellipsis(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

/** `443/tcp, 0.0.0.0:8080->80/tcp`: runs of ports that are open, or published under their own numbers, are one range; the others come last. */
export function portsText(ports: readonly Port[]): string {
  const sorted = [...ports].sort(
    (a, b) =>
      a.PrivatePort - b.PrivatePort ||
      ((a.IP ?? '') < (b.IP ?? '') ? -1 : (a.IP ?? '') > (b.IP ?? '') ? 1 : 0) ||
      (a.PublicPort ?? 0) - (b.PublicPort ?? 0) ||
      (a.Type < b.Type ? -1 : 1),
  );
  const done: string[] = [];
  const open = new Map<string, { port: Port; last: number }>();
  const mapped: string[] = [];
  for (const port of sorted) {
    if (port.IP && port.PublicPort !== port.PrivatePort) {
      mapped.push(`${hostOf(port)}${port.PublicPort}->${port.PrivatePort}/${port.Type}`);
      continue;
    }
    const key = `${port.IP ?? ''}/${port.Type}`;
    const run = open.get(key);
    if (run && port.PrivatePort === run.last + 1) run.last++;
    else {
      if (run) done.push(runText(run.port, run.last));
      open.set(key, { port, last: port.PrivatePort });
    }
  }
  return [...done, ...[...open.values()].map(({ port, last }) => runText(port, last)), ...mapped].join(', ');
}

function runText(port: Port, last: number): string {
  const range = port.PrivatePort === last ? String(last) : `${port.PrivatePort}-${last}`;
  return port.IP ? `${hostOf(port)}${range}->${range}/${port.Type}` : `${range}/${port.Type}`;
}

function hostOf({ IP: address = '' }: Port): string {
  return `${address.includes(':') ? `[${address}]` : address}:`;
}
