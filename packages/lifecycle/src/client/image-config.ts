// What an image says of itself, read through the client: the manifest for a platform, and the configuration that it names.
import { EngineError } from '@berth/errdefs/engine-error';
import { type Descriptor, type ImageConfig, type Manifest, parseImageConfig, parseManifestDocument } from '@berth/oci/image-spec';
import { bestMatch, hostPlatform, type Platform } from '@berth/oci/platform';
import type { LifecycleClient } from './lifecycle-client.ts';

export interface ImageDocuments {
  manifest: Manifest;
  config: ImageConfig;
}

/** NotFound when there is no such image, or it has nothing for the platform. */
export async function readImage(
  client: Pick<LifecycleClient, 'images' | 'content'>,
  name: string,
  platform: Platform = hostPlatform(),
): Promise<ImageDocuments> {
  const { image } = await client.images.get({ name });
  if (!image?.target) throw new EngineError('NotFound', `image "${name}" has no target: not found`, { layer: 'lifecycle' });
  const manifest = await manifestFor(client, image.target, platform);
  return { manifest, config: parseImageConfig(await readBlob(client, manifest.config.digest)) };
}

/** A whole blob: for manifests and configurations. */
export async function readBlob({ content }: Pick<LifecycleClient, 'content'>, digest: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const { data } of content.read({ digest })) chunks.push(data);
  return Buffer.concat(chunks);
}

async function manifestFor(
  client: Pick<LifecycleClient, 'content'>,
  { digest, mediaType }: Pick<Descriptor, 'mediaType'> & { digest: string },
  platform: Platform,
): Promise<Manifest> {
  const document = parseManifestDocument(await readBlob(client, digest), mediaType);
  if (document.kind === 'manifest') return document.manifest;
  const match = bestMatch(platform, document.index.manifests);
  if (!match) throw new EngineError('NotFound', `the index ${digest} has no manifest for this platform: not found`, { layer: 'lifecycle' });
  return manifestFor(client, match, platform);
}
