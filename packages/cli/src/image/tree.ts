// `berth images --tree`: every image with the platforms behind its name; what was not pulled has no size.
import type { ImageManifestSummary, ImageSummary, OciPlatform } from '@berth/api/image';
import { humanSize } from '@berth/api/units';

interface Line {
  name: string;
  id: string;
  disk: string;
  content: string;
  extra: string;
}

export function imageTree(images: readonly ImageSummary[]): string {
  const blocks = images.map(blockOf);
  const heading: Line = { name: 'IMAGE', id: 'ID', disk: 'DISK USAGE', content: 'CONTENT SIZE', extra: 'EXTRA' };
  const width = (key: keyof Line) => Math.max(...[heading, ...blocks.flat()].map((line) => line[key].length));
  const [name, id, disk, content] = [width('name'), width('id'), width('disk'), width('content')];
  const draw = (line: Line, pad: 'padStart' | 'padEnd' = 'padStart') =>
    [line.name.padEnd(name), line.id.padEnd(id), line.disk[pad](disk), line.content[pad](content), line.extra].join('   ').trimEnd();
  return [draw(heading, 'padEnd'), ...blocks.map((block) => block.map((line) => draw(line)).join('\n'))].join('\n\n').replace('\n\n', '\n');
}

function blockOf(image: ImageSummary): Line[] {
  const manifests = (image.Manifests ?? []).filter(({ Kind }) => Kind === 'image');
  const content = manifests.reduce((sum, manifest) => sum + manifest.Size.Content, 0);
  const names = (image.RepoTags ?? []).filter((tag) => tag !== '<none>:<none>');
  const facts = {
    id: short(image.Id),
    disk: humanSize(image.Size),
    content: humanSize(content),
    extra: image.Containers > 0 ? 'U' : '',
  };
  const heads = (names.length > 0 ? names : ['<untagged>']).map((name) => ({ name, ...facts }));
  return [...heads, ...manifests.map((manifest, position) => childOf(manifest, position === manifests.length - 1))];
}

function childOf(manifest: ImageManifestSummary, last: boolean): Line {
  return {
    name: `${last ? '└─' : '├─'} ${platformText(manifest.ImageData?.Platform)}`,
    id: short(manifest.ID),
    disk: humanSize(manifest.Size.Total),
    content: humanSize(manifest.Size.Content),
    extra: (manifest.ImageData?.Containers.length ?? 0) > 0 ? 'U' : '',
  };
}

function platformText(platform: OciPlatform | undefined): string {
  return platform ? [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/') : '(unknown)';
}

function short(digest: string): string {
  return digest.replace('sha256:', '').slice(0, 12);
}
