// What `manifest` asks registries, by itself and without a daemon: single manifests, the entries of lists, and the pushing of a list.
import { buffer } from 'node:stream/consumers';
import { isKind } from '@berth/errdefs/engine-error';
import { digestOf } from '@berth/oci/digest';
import { type Descriptor, type Index, type Manifest, MEDIA_TYPE, parseManifestDocument } from '@berth/oci/image-spec';
import type { Platform } from '@berth/oci/platform';
import { canonical, canonicalName, parseReference, type Reference, sameRepository, withDefaultTag } from '@berth/oci/reference';
import { anonymous, credentialsOf } from '@berth/oci/registry/credentials';
import { ConfiguredHosts } from '@berth/oci/registry/host';
import { HostDirectory } from '@berth/oci/registry/host-directory';
import { Repository, verified } from '@berth/oci/registry/repository';
import { putManifest, uploadBlob } from '@berth/oci/registry/upload';
import type { Context } from '../context.ts';
import { ExitError } from '../exit.ts';
import { credentialsFor } from '../image/credentials.ts';
import { registryOf } from '../image/name.ts';
import type { ImageManifest } from './manifest-store.ts';

const CERTIFICATES = '/etc/berth/certs.d:/etc/docker/certs.d';

export interface Access {
  context: Context;
  /** Plain HTTP and any certificate will do. */
  insecure: boolean;
}

/** A name on the command line, with its tag. */
export function listReference(text: string): Reference {
  return withDefaultTag(parseReference(text));
}

/** One image's manifest, with its platform out of its configuration. ExitError for a list, or when there is none. */
export async function fetchManifest(access: Access, reference: Reference): Promise<ImageManifest> {
  using repository = await open(access, reference);
  const { descriptor, bytes } = await manifestOf(repository, reference);
  const document = parseManifestDocument(bytes, descriptor.mediaType);
  if (document.kind === 'index') throw new ExitError(1, `${canonical(reference)} is a manifest list`);
  const config = JSON.parse((await buffer(verified(document.manifest.config, repository.blob(document.manifest.config)))).toString('utf8'));
  return described(canonical(reference), { ...descriptor, platform: platformOf(config as Partial<Platform>) }, bytes);
}

/** What a registry has under a name: a manifest, or a list of them; with `whole` each of the list's manifests is fetched. */
export async function lookUp(access: Access, reference: Reference, whole: boolean): Promise<ImageManifest | ImageManifest[]> {
  using repository = await open(access, reference);
  const { descriptor, bytes } = await manifestOf(repository, reference);
  const document = parseManifestDocument(bytes, descriptor.mediaType);
  if (document.kind === 'manifest') return fetchManifest(access, reference);
  const found: ImageManifest[] = [];
  for (const { mediaType, digest, size, platform } of document.index.manifests) {
    const name = `${canonicalName(reference)}${reference.tag === undefined ? '' : `:${reference.tag}`}@${digest}`;
    const child = whole ? (await repository.manifest(digest)).bytes : Buffer.alloc(0);
    found.push(described(name, { mediaType, digest, size, ...(platform ? { platform: platformOf(platform) } : {}) }, child));
  }
  return found;
}

/** Puts a list under `target`; what it names and the repository lacks is brought from its own repository first. The list's digest. */
export async function pushList(
  access: Access,
  target: Reference,
  manifests: readonly ImageManifest[],
  onPushed: (reference: string, digest: string) => void,
): Promise<string> {
  const bytes = Buffer.from(JSON.stringify(listOf(manifests), null, 3));
  const sources = manifests.map((manifest) => ({ manifest, reference: parseReference(manifest.Ref) }));
  const elsewhere = sources.find(({ reference }) => reference.domain !== target.domain);
  if (elsewhere) {
    throw new ExitError(
      1,
      `cannot use source images from a different registry than the target image: ${elsewhere.reference.domain} != ${target.domain}`,
    );
  }
  using repository = await open(access, target);
  for (const { manifest, reference } of sources) {
    if (sameRepository(reference, target)) continue;
    await bring(access, repository, reference, manifest);
    const { digest } = manifest.Descriptor;
    onPushed(`${canonicalName(target)}@${digest}`, digest);
  }
  const { mediaType } = listOf(manifests);
  await putManifest(repository.upstream, target.tag ?? 'latest', { mediaType: mediaType as string, bytes });
  return digestOf(bytes);
}

/** The list as it is pushed; keys in docker's order, which makes its digest docker's as well. */
export function listOf(manifests: readonly ImageManifest[]): Index {
  const entries = manifests.map(({ Ref, Descriptor: { mediaType, size, digest, platform } }) => {
    if (!platform?.os || !platform.architecture)
      throw new ExitError(1, `manifest ${Ref} must have an OS and Architecture to be pushed to a registry`);
    return { mediaType, size, digest, platform };
  });
  const mediaType = entries[0]?.mediaType === MEDIA_TYPE.ociManifest ? MEDIA_TYPE.ociIndex : MEDIA_TYPE.dockerIndex;
  return { schemaVersion: 2, mediaType, manifests: entries };
}

async function bring(
  access: Access,
  into: Repository,
  reference: Reference,
  { Raw, Descriptor: descriptor }: ImageManifest,
): Promise<void> {
  using from = await open(access, reference);
  const bytes = Buffer.from(Raw, 'base64');
  const document = parseManifestDocument(bytes, descriptor.mediaType);
  if (document.kind !== 'manifest') throw new ExitError(1, `${reference.path} is a manifest list`);
  for (const blob of [document.manifest.config, ...document.manifest.layers]) {
    if (await into.hasBlob(blob.digest)) continue;
    await uploadBlob(into.upstream, blob, (offset) => from.blob(blob, { offset }), { mountFrom: [reference.path] });
  }
  await putManifest(into.upstream, descriptor.digest, { mediaType: descriptor.mediaType, bytes });
}

async function manifestOf(repository: Repository, reference: Reference) {
  try {
    return await repository.manifest(reference.digest ?? reference.tag ?? 'latest');
  } catch (error) {
    if (isKind(error, 'NotFound')) throw new ExitError(1, `no such manifest: ${canonical(reference)}`, error);
    throw error;
  }
}

function described(name: string, descriptor: Descriptor, bytes: Buffer): ImageManifest {
  const { mediaType, digest, size, platform } = descriptor;
  const common = {
    Ref: name,
    Descriptor: { mediaType, digest, size, ...(platform ? { platform } : {}) },
    Raw: bytes.toString('base64'),
  };
  if (bytes.length === 0) return common;
  const document = JSON.parse(bytes.toString('utf8')) as Manifest;
  return mediaType === MEDIA_TYPE.ociManifest ? { ...common, OCIManifest: document } : { ...common, SchemaV2Manifest: document };
}

/** The platform's fields in docker's order. */
export function platformOf(facts: Partial<Platform>): Platform {
  const { architecture = '', os = '', variant } = facts;
  return {
    architecture,
    os,
    ...(facts['os.version'] ? { 'os.version': facts['os.version'] } : {}),
    ...(facts['os.features']?.length ? { 'os.features': facts['os.features'] } : {}),
    ...(variant ? { variant } : {}),
  };
}

function open({ context, insecure }: Access, reference: Reference): Promise<Repository> {
  const auth = credentialsFor(context, registryOf(canonicalName(reference).replace(/^docker\.io\//, '')));
  const credentials = credentialsOf(auth);
  return Repository.open({
    reference,
    hosts: insecure ? new ConfiguredHosts({ insecure: [reference.domain] }) : new HostDirectory(CERTIFICATES),
    credentials: credentials ? async () => credentials : anonymous,
  });
}
