// Images as they are stored and transferred: descriptors, manifests, indexes and configurations of the OCI image-spec 1.1 and
// of Docker's Image Manifest V2, Schema 2, which share one JSON shape and differ in media types.
import { checkShape, type Shape } from '@berth/api/shape';
import { EngineError } from '@berth/errdefs/engine-error';
import type { Digest } from './digest.ts';
import { isDigest } from './digest.ts';
import type { Platform } from './platform.ts';

export interface Descriptor {
  mediaType: string;
  digest: Digest;
  /** Bytes. */
  size: number;
  urls?: string[];
  annotations?: Record<string, string>;
  platform?: Platform;
  artifactType?: string;
  data?: string;
}

export interface Manifest {
  schemaVersion: 2;
  mediaType?: string;
  artifactType?: string;
  config: Descriptor;
  layers: Descriptor[];
  subject?: Descriptor;
  annotations?: Record<string, string>;
}

export interface Index {
  schemaVersion: 2;
  mediaType?: string;
  artifactType?: string;
  manifests: Descriptor[];
  subject?: Descriptor;
  annotations?: Record<string, string>;
}

/** What a container inherits from its image. Keys are capitalised in the document itself. Durations are nanoseconds. */
export interface ExecutionConfig {
  User?: string;
  ExposedPorts?: Record<string, Record<string, never>>;
  Env?: string[];
  Entrypoint?: string[] | null;
  Cmd?: string[] | null;
  Volumes?: Record<string, Record<string, never>>;
  WorkingDir?: string;
  Labels?: Record<string, string>;
  StopSignal?: string;
  /** Docker's additions to the specification. */
  Hostname?: string;
  Domainname?: string;
  ArgsEscaped?: boolean;
  OnBuild?: string[] | null;
  Shell?: string[];
  StopTimeout?: number;
  Healthcheck?: { Test?: string[]; Interval?: number; Timeout?: number; StartPeriod?: number; StartInterval?: number; Retries?: number };
}

export interface HistoryEntry {
  created?: string;
  created_by?: string;
  author?: string;
  comment?: string;
  /** True for an entry that has no layer of its own. */
  empty_layer?: boolean;
}

export interface ImageConfig {
  created?: string;
  author?: string;
  architecture: string;
  os: string;
  'os.version'?: string;
  'os.features'?: string[];
  variant?: string;
  config?: ExecutionConfig;
  rootfs: { type: 'layers'; diff_ids: Digest[] };
  history?: HistoryEntry[];
  /** Docker's additions. */
  docker_version?: string;
  comment?: string;
  parent?: string;
  container?: string;
}

export const MEDIA_TYPE = {
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  dockerForeignLayer: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  dockerManifestV1: 'application/vnd.docker.distribution.manifest.v1+json',
  dockerManifestV1Signed: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
} as const;

/** What a client of this engine accepts for a tag or digest, best first. */
export const MANIFEST_TYPES: readonly string[] = [
  MEDIA_TYPE.ociIndex,
  MEDIA_TYPE.dockerIndex,
  MEDIA_TYPE.ociManifest,
  MEDIA_TYPE.dockerManifest,
];

export function isIndexType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.ociIndex || mediaType === MEDIA_TYPE.dockerIndex;
}

export function isManifestType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.ociManifest || mediaType === MEDIA_TYPE.dockerManifest;
}

/** Filesystem layers of both families, foreign and non-distributable ones included. */
export function isLayerType(mediaType: string): boolean {
  return /^application\/vnd\.(oci\.image\.layer\.(nondistributable\.)?v1\.tar|docker\.image\.rootfs\.(foreign\.)?diff\.tar)/.test(
    mediaType,
  );
}

/** Layers that registries need not hold: their descriptor names the servers of their makers. */
export function isForeignLayerType(mediaType: string): boolean {
  return isLayerType(mediaType) && /\.(foreign|nondistributable)\./.test(mediaType);
}

export function isConfigType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPE.ociConfig || mediaType === MEDIA_TYPE.dockerConfig;
}

/** The manifest that an index's entry makes statements about (BuildKit's attestation storage); undefined for all other entries. */
export function attests({ annotations }: Descriptor): Digest | undefined {
  const digest = annotations?.['vnd.docker.reference.digest'];
  const isAttestation = annotations?.['vnd.docker.reference.type'] === 'attestation-manifest';
  return isAttestation && digest !== undefined && isDigest(digest) ? digest : undefined;
}

/** How a layer's bytes are packed, by its media type; undefined means: look at its first bytes. */
export function compressionOf(mediaType: string): 'gzip' | 'zstd' | 'none' | undefined {
  if (mediaType.endsWith('gzip')) return 'gzip';
  if (mediaType.endsWith('zstd')) return 'zstd';
  return mediaType.endsWith('.tar') ? 'none' : undefined;
}

/** A manifest or index, told apart by its fields as well as its media type: the type alone may lie (image-spec advisory GHSA-77vh-xpmg-72qh). */
export type ManifestDocument = { kind: 'manifest'; manifest: Manifest } | { kind: 'index'; index: Index };

export function parseManifestDocument(bytes: Uint8Array, mediaType: string): ManifestDocument {
  const document = parseJson(bytes, 'manifest');
  const own = typeof document.mediaType === 'string' ? document.mediaType : undefined;
  if (document.schemaVersion !== 2 || mediaType === MEDIA_TYPE.dockerManifestV1 || mediaType === MEDIA_TYPE.dockerManifestV1Signed) {
    throw malformed(
      'manifest has schema version 1, which registries and engines dropped: push the image again with a current client, or use another tag',
    );
  }
  if (own !== undefined && own !== mediaType) throw malformed(`manifest says it is ${own}, but was sent as ${mediaType}`);
  if (isIndexType(mediaType)) {
    if (!Array.isArray(document.manifests) || 'config' in document || 'layers' in document)
      throw malformed('index has the fields of a manifest');
    return { kind: 'index', index: { ...document, manifests: document.manifests.map(checkDescriptor) } as Index };
  }
  if (isManifestType(mediaType)) {
    if (!Array.isArray(document.layers) || 'manifests' in document) throw malformed('manifest has the fields of an index');
    const manifest = { ...document, config: checkDescriptor(document.config), layers: document.layers.map(checkDescriptor) };
    return { kind: 'manifest', manifest: manifest as unknown as Manifest };
  }
  throw malformed(`unsupported manifest media type ${mediaType || '(none)'}`);
}

export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const document = parseJson(bytes, 'image configuration');
  const rootfs = document.rootfs as { diff_ids?: unknown } | undefined;
  if (!Array.isArray(rootfs?.diff_ids) || !rootfs.diff_ids.every((id) => typeof id === 'string' && isDigest(id))) {
    throw malformed('image configuration has no valid rootfs.diff_ids');
  }
  if (typeof document.os !== 'string' || typeof document.architecture !== 'string') {
    throw malformed('image configuration names no os and architecture');
  }
  checkShape(document, IMAGE_CONFIG, 'image configuration');
  const { history, ...config } = withoutNulls(document) as unknown as ImageConfig;
  if (config.config) config.config = withoutNulls(config.config);
  return history ? { ...config, history: history.map((entry) => withoutNulls(entry ?? {})) } : config;
}

function parseJson(bytes: Uint8Array, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch (cause) {
    throw new EngineError('InvalidArgument', `${what} is not JSON: ${(cause as Error).message}`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(`${what} is not a JSON object`);
  return value as Record<string, unknown>;
}

const PLATFORM: Shape = { fields: { os: 'string', architecture: 'string', variant: 'string' } };
const DESCRIPTOR: Shape = { fields: { urls: { list: 'string' }, annotations: { map: 'string' }, platform: PLATFORM, data: 'string' } };
const COMMAND: Shape = { list: 'string' };
const IMAGE_CONFIG: Shape = {
  fields: {
    created: 'string',
    author: 'string',
    variant: 'string',
    comment: 'string',
    config: {
      fields: {
        User: 'string',
        ExposedPorts: { map: 'any' },
        Env: { list: 'string' },
        Entrypoint: COMMAND,
        Cmd: COMMAND,
        Volumes: { map: 'any' },
        WorkingDir: 'string',
        Labels: { map: 'string' },
        StopSignal: 'string',
        Hostname: 'string',
        Domainname: 'string',
        OnBuild: { list: 'string' },
        Shell: COMMAND,
        StopTimeout: 'integer',
        Healthcheck: {
          fields: {
            Test: COMMAND,
            Interval: 'integer',
            Timeout: 'integer',
            StartPeriod: 'integer',
            StartInterval: 'integer',
            Retries: 'integer',
          },
        },
      },
    },
    history: {
      list: { fields: { created: 'string', created_by: 'string', author: 'string', comment: 'string', empty_layer: 'boolean' } },
    },
  },
};

function checkDescriptor(value: unknown): Descriptor {
  const descriptor = value as Partial<Descriptor> | null | undefined;
  if (
    typeof descriptor?.mediaType !== 'string' ||
    typeof descriptor.digest !== 'string' ||
    !isDigest(descriptor.digest) ||
    !Number.isSafeInteger(descriptor.size) ||
    (descriptor.size as number) < 0
  ) {
    throw malformed('manifest holds a descriptor without a valid mediaType, digest or size');
  }
  checkShape(descriptor, DESCRIPTOR, 'descriptor');
  const checked = withoutNulls(descriptor) as Descriptor;
  // An entry that says nothing of its platform fits none, and is no reason to refuse the others.
  if (checked.platform)
    checked.platform = { ...checked.platform, os: checked.platform.os ?? '', architecture: checked.platform.architecture ?? '' };
  return checked;
}

/** As Go's programs write them: `null` is a field that is not there. */
function withoutNulls<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null)) as T;
}

function malformed(message: string): EngineError {
  return new EngineError('InvalidArgument', message);
}
