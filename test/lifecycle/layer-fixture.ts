// Makes layers out of lists of members, for tests of unpacking.
import type { Content } from '@berth/lifecycle/content/content';
import { type Digest, digestOf } from '@berth/oci/digest';
import type { Descriptor } from '@berth/oci/image-spec';
import { type TarEntry, tarEntry, toBytes } from '@berth/oci/tar/entry';
import { tarEnd, tarHeader, tarPadding } from '@berth/oci/tar/writer';

export type LayerMember = Partial<TarEntry> & Pick<TarEntry, 'type' | 'name'> & { content?: string | Buffer };

export function layer(...members: LayerMember[]): Buffer {
  const blocks: Buffer[] = [];
  for (const { content, ...member } of members) {
    const data = Buffer.from(content ?? '');
    blocks.push(
      tarHeader(tarEntry({ ...member, name: toBytes(member.name), linkName: toBytes(member.linkName ?? ''), size: data.length })),
      data,
      tarPadding(data.length),
    );
  }
  return Buffer.concat([...blocks, tarEnd()]);
}

export const file = (name: string, content: string, more: Partial<TarEntry> = {}): LayerMember => ({
  type: 'file',
  name,
  content,
  ...more,
});
export const directory = (name: string, more: Partial<TarEntry> = {}): LayerMember => ({ type: 'directory', name, ...more });
export const symlink = (name: string, linkName: string): LayerMember => ({ type: 'symlink', name, linkName });
export const hardlink = (name: string, linkName: string): LayerMember => ({ type: 'hardlink', name, linkName });

/** Puts bytes into a content store and describes them. */
export async function stored(
  content: Content,
  bytes: Buffer,
  mediaType = 'application/vnd.oci.image.layer.v1.tar',
): Promise<Descriptor & { diffId: Digest }> {
  return { mediaType, digest: await content.put(bytes), size: bytes.length, diffId: digestOf(bytes) };
}
