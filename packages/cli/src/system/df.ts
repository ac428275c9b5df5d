// `berth system df`
import type { BuildCacheRecord, DiskUsageResponse } from '@berth/api/system';
import { humanDuration, humanSize } from '@berth/api/units';
import { diskUsage } from '@berth/client/system/disk-usage';
import type { Command } from '../command.ts';
import { ExitError } from '../exit.ts';
import { renderListing } from '../format/listing.ts';
import { table } from '../format/table.ts';

export const command: Command = {
  usage: 'system df [OPTIONS]',
  description: 'Show disk usage',
  flags: {
    format: { type: 'string', description: "Format output: 'table', 'table TEMPLATE', 'json' or a Go template" },
    verbose: { type: 'boolean', alias: 'v', description: 'Show detailed information on space usage' },
  },
  arguments: { min: 0, max: 0 },
  async run(context, args) {
    const format = args.string('format');
    if (args.boolean('verbose') && format) throw new ExitError(1, 'the verbose and the format options conflict');
    const usage = await diskUsage(context.engine);
    context.print(args.boolean('verbose') ? details(usage) : summary(usage, format));
  },
};

function summary(usage: DiskUsageResponse, format: string | undefined): string {
  const images = usage.Images ?? [];
  const containers = usage.Containers ?? [];
  const volumes = usage.Volumes ?? [];
  const cache = usage.BuildCache ?? [];
  const running = containers.filter((container) => ['running', 'paused', 'restarting'].includes(container.State));
  const size = (bytes: readonly (number | undefined)[]) => bytes.reduce<number>((sum, one) => sum + Math.max(0, one ?? 0), 0);
  const used = volumes.filter((volume) => (volume.UsageData?.RefCount ?? 0) > 0);
  const usedImages = images.filter((image) => image.Containers > 0);
  // As docker counts: what used images share with others is not theirs.
  const kept = size(usedImages.map((image) => image.Size - Math.max(0, image.SharedSize)));
  const rows = [
    row('Images', images.length, usedImages.length, usage.LayersSize, usage.LayersSize - kept),
    row(
      'Containers',
      containers.length,
      running.length,
      size(containers.map((container) => container.SizeRw)),
      size(containers.filter((container) => !running.includes(container)).map((container) => container.SizeRw)),
    ),
    row(
      'Local Volumes',
      volumes.length,
      used.length,
      size(volumes.map((volume) => volume.UsageData?.Size)),
      size(volumes.filter((volume) => !used.includes(volume)).map((volume) => volume.UsageData?.Size)),
    ),
    row(
      'Build Cache',
      cache.length,
      cache.filter((one) => one.InUse).length,
      sizeOfCache(cache),
      sizeOfCache(cache.filter((one) => !one.InUse)),
      false,
    ),
  ];
  const standard = 'table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}';
  const headings = { Type: 'TYPE', TotalCount: 'TOTAL', Active: 'ACTIVE', Size: 'SIZE', Reclaimable: 'RECLAIMABLE' };
  return renderListing({ standard, headings, identity: 'Type', rows }, format ? { format } : {});
}

function row(Type: string, total: number, active: number, size: number, reclaimable: number, share = true) {
  const part = share && size > 0 ? ` (${Math.trunc((reclaimable * 100) / size)}%)` : '';
  return {
    Type,
    TotalCount: String(total),
    Active: String(active),
    Size: humanSize(size, 4),
    Reclaimable: `${humanSize(reclaimable, 4)}${part}`,
  };
}

function details(usage: DiskUsageResponse): string {
  const ago = (seconds: number) => `${humanDuration(Date.now() / 1000 - seconds)} ago`;
  const short = (id: string) => id.replace('sha256:', '').slice(0, 12);
  const images = (usage.Images ?? []).flatMap((image) =>
    (image.RepoTags?.length ? image.RepoTags : ['<none>:<none>']).map((name) => {
      const cut = name.lastIndexOf(':');
      const shared = Math.max(0, image.SharedSize);
      const sizes = [humanSize(image.Size), humanSize(shared, 4), humanSize(image.Size - shared, 4)];
      return [
        name.slice(0, cut),
        name.slice(cut + 1),
        short(image.Id),
        ago(image.Created),
        ...sizes,
        String(Math.max(0, image.Containers)),
      ];
    }),
  );
  const containers = (usage.Containers ?? []).map((one) => [
    short(one.Id),
    one.Image,
    `"${one.Command.length > 20 ? `${one.Command.slice(0, 19)}…` : one.Command}"`,
    String(one.Mounts?.filter((mount) => mount.Type === 'volume').length ?? 0),
    humanSize(one.SizeRw ?? 0),
    ago(one.Created),
    one.Status,
    one.Names.map((name) => name.slice(1)).join(','),
  ]);
  const volumes = (usage.Volumes ?? []).map((volume) => [
    volume.Name,
    String(volume.UsageData?.RefCount ?? 0),
    humanSize(Math.max(0, volume.UsageData?.Size ?? 0)),
  ]);
  const cache = (usage.BuildCache ?? [])
    .toSorted((one, other) => Date.parse(one.LastUsedAt ?? '') - Date.parse(other.LastUsedAt ?? '') || one.ID.localeCompare(other.ID))
    .map((one) => [
      `${short(one.ID)}${one.InUse ? '*' : ''}`,
      one.Type,
      humanSize(one.Size),
      ago(Date.parse(one.CreatedAt) / 1000),
      one.LastUsedAt === null ? '' : ago(Date.parse(one.LastUsedAt) / 1000),
      String(one.UsageCount),
      String(one.Shared),
    ]);
  return [
    'Images space usage:\n',
    table([['REPOSITORY', 'TAG', 'IMAGE ID', 'CREATED', 'SIZE', 'SHARED SIZE', 'UNIQUE SIZE', 'CONTAINERS'], ...images]),
    '\nContainers space usage:\n',
    table([['CONTAINER ID', 'IMAGE', 'COMMAND', 'LOCAL VOLUMES', 'SIZE', 'CREATED', 'STATUS', 'NAMES'], ...containers]),
    '\nLocal Volumes space usage:\n',
    table([['VOLUME NAME', 'LINKS', 'SIZE'], ...volumes]),
    `\nBuild cache usage: ${humanSize(sizeOfCache(usage.BuildCache ?? []), 4)}\n`,
    table([['CACHE ID', 'CACHE TYPE', 'SIZE', 'CREATED', 'LAST USED', 'USAGE', 'SHARED'], ...cache]),
  ].join('\n');
}

/** What images have as well is counted there. */
function sizeOfCache(cache: readonly BuildCacheRecord[]): number {
  return cache.filter((one) => !one.Shared).reduce((sum, one) => sum + one.Size, 0);
}
