// Images from and to registries and archives: the service does the work, this side hears of its progress, has the credentials and the
// archive's bytes. NotImplemented from a service without transfers (containerd before 1.7).
import { hostPlatform, type Platform } from '@berth/oci/platform';
import type { Credentials } from '@berth/oci/registry/credentials';
import { pack, unpack } from '@berth/rpc/any';
import { ImageStore } from '@berth/rpc/gen/containerd/types/transfer/imagestore';
import { ImageExportStream, ImageImportStream } from '@berth/rpc/gen/containerd/types/transfer/importexport';
import { Progress } from '@berth/rpc/gen/containerd/types/transfer/progress';
import { AuthResponse, AuthType, OCIRegistry } from '@berth/rpc/gen/containerd/types/transfer/registry';
import type { Any } from '@berth/rpc/gen/google/protobuf/any';
import { type TransferTerms, termsMetadata } from '@berth/rpc/transfer-terms';
import type { Init } from '@berth/rpc/wire/message';
import type { LifecycleClient } from './lifecycle-client.ts';
import { type MessageStream, openStream, receiveArchive, sendArchive } from './message-stream.ts';

/** What a transfer needs of the client. */
export type TransferServices = Pick<LifecycleClient, 'streaming' | 'transfer'>;

export interface TransferOptions {
  /** How it is to be done, as far as the service is Berth's. */
  terms?: TransferTerms;
  onProgress?: (progress: Progress) => void;
  /** A traceparent header. */
  trace?: string;
  signal?: AbortSignal;
}

export interface RegistryOptions extends TransferOptions {
  credentials?: Credentials | undefined;
  /** Directory with hosts.toml files, on the service's machine; its own default without. */
  hostDirectory?: string;
  /** Speaks HTTP without TLS. */
  plainHttp?: boolean;
}

export interface PullOptions extends RegistryOptions {
  /** The image's name in the store; the reference without. */
  name?: string;
  labels?: Record<string, string>;
  /** Default: this machine's. */
  platform?: Platform;
  /** Where it is unpacked to; '' is the service's default, false leaves it packed. */
  snapshotter?: string | false;
}

/** `reference` is a full one, `docker.io/library/busybox:latest`. */
export async function pullImage(services: TransferServices, reference: string, options: PullOptions = {}): Promise<void> {
  const { name = reference, labels = {}, platform = hostPlatform(), snapshotter = '' } = options;
  const unpacks = snapshotter === false ? [] : [{ platform, snapshotter }];
  const store = { name, labels, platforms: [platform], unpacks };
  await transferWithRegistry(services, { direction: 'pull', reference, store, ...options });
}

/** Pushes the image of that name, or of another one, to the registry that the reference names. */
export async function pushImage(
  services: TransferServices,
  reference: string,
  { name = reference, ...options }: RegistryOptions & { name?: string } = {},
): Promise<void> {
  await transferWithRegistry(services, { direction: 'push', reference, store: { name }, ...options });
}

export interface RegistryTransfer extends RegistryOptions {
  direction: 'pull' | 'push';
  reference: string;
  store: Init<ImageStore>;
}

/** A pull or push with all that the protocol has to say of the image. */
export async function transferWithRegistry(services: TransferServices, transfer: RegistryTransfer): Promise<void> {
  const { direction, reference, hostDirectory = '', plainHttp = false, credentials } = transfer;
  await transferred(services, transfer, async (streams) => {
    const auth = credentials && (await openStream(services, streams));
    if (auth) void answer(auth, credentials).catch(() => {});
    const resolver = { hostDir: hostDirectory, authStream: auth?.id ?? '', defaultScheme: plainHttp ? 'http' : '' };
    const registry = pack(OCIRegistry, { reference, resolver });
    const store = pack(ImageStore, transfer.store);
    return direction === 'pull' ? { source: registry, destination: store } : { source: store, destination: registry };
  });
}

export interface ImportOptions extends TransferOptions {
  /** Names and labels for what is in the archive, as containerd's ImageStore has them; default: those that it names itself. */
  store?: Init<ImageStore>;
  snapshotter?: string | false;
}

/** The names that an archive gives its images; `import@<digest>` for one without. */
const OWN_NAMES = { name: 'import', isPrefix: true, allowOverwrite: true, addDigest: true, skipNamedDigest: true };

/** Imports an archive, OCI layout or Docker's, packed or not. The names of the images that were saved. */
export async function importImages(
  services: TransferServices,
  archive: AsyncIterable<Uint8Array>,
  { store = { extraReferences: [OWN_NAMES] }, snapshotter = '', ...options }: ImportOptions = {},
): Promise<string[]> {
  const saved: string[] = [];
  const platform = hostPlatform();
  const unpacks = snapshotter === false ? [] : [{ platform, snapshotter }];
  const onProgress = (progress: Progress) => {
    if (progress.event === 'saved') saved.push(progress.name);
    options.onProgress?.(progress);
  };
  let unreadable: { error: unknown } | undefined;
  try {
    await transferred(services, { ...options, onProgress }, async (streams) => {
      const stream = await openStream(services, streams);
      void sendArchive(
        stream,
        readOf(archive, (error) => (unreadable = { error })),
      ).catch(() => stream.end());
      const destination = pack(ImageStore, { platforms: [platform], unpacks, ...store });
      return { source: pack(ImageImportStream, { stream: stream.id }), destination };
    });
  } catch (error) {
    throw unreadable ? unreadable.error : error;
  }
  return saved;
}

/** The service sees an archive that cannot be read to its end as one that is cut off; what really happened is told here. */
async function* readOf(archive: AsyncIterable<Uint8Array>, failed: (error: unknown) => void): AsyncGenerator<Uint8Array> {
  try {
    yield* archive;
  } catch (error) {
    failed(error);
    throw error;
  }
}

export interface ExportOptions extends TransferOptions {
  /** Of an index; default: this machine's. */
  platforms?: readonly Platform[];
  allPlatforms?: boolean;
}

/** An archive of the images of these names, for `docker load`, `importImages` and any reader of OCI layouts. */
export async function* exportImages(
  services: TransferServices,
  names: readonly string[],
  { platforms = [], allPlatforms = false, ...options }: ExportOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  // Who stops reading ends the transfer.
  const left = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, left.signal]) : left.signal;
  const opened = Promise.withResolvers<MessageStream>();
  const read = Promise.withResolvers<void>();
  const ended = transferred(services, { ...options, signal }, async (streams) => {
    const stream = await openStream(services, streams);
    opened.resolve(stream);
    const source = pack(ImageStore, { extraReferences: names.map((name) => ({ name })) });
    return { source, destination: pack(ImageExportStream, { stream: stream.id, platforms, allPlatforms }), read: read.promise };
  });
  ended.catch(opened.reject);
  // A transfer that fails says so in its answer; its stream just stays silent.
  const failed = ended.then(() => new Promise<never>(() => {}));
  failed.catch(() => {});
  try {
    const bytes = receiveArchive(await opened.promise);
    for (;;) {
      const next = await Promise.race([bytes.next(), failed]);
      if (next.done) break;
      yield next.value;
    }
    read.resolve();
    await ended;
  } finally {
    left.abort();
    read.resolve();
    await ended.catch(() => {});
  }
}

/** One transfer with its progress. `ends` opens the streams that it talks over; they end with it, and when what they brought is `read`. */
async function transferred(
  services: TransferServices,
  { onProgress, terms = {}, trace, signal }: TransferOptions,
  ends: (streams: AbortSignal) => Promise<{ source: Init<Any>; destination: Init<Any>; read?: Promise<void> }>,
): Promise<void> {
  const over = new AbortController();
  const streams = signal ? AbortSignal.any([signal, over.signal]) : over.signal;
  const progress = await openStream(services, streams);
  const heard = hear(progress, onProgress ?? (() => {}));
  heard.catch(() => {});
  try {
    const { source, destination, read } = await ends(streams);
    const options = { metadata: termsMetadata(terms), ...(signal ? { signal } : {}), ...(trace ? { trace } : {}) };
    await services.transfer.transfer({ source, destination, options: { progressStream: progress.id } }, options);
    await Promise.all([heard, read]);
  } finally {
    over.abort();
  }
}

async function hear(stream: MessageStream, onProgress: (progress: Progress) => void): Promise<void> {
  for (let message = await stream.receive(); message; message = await stream.receive()) onProgress(unpack(Progress, message));
}

async function answer(stream: MessageStream, credentials: Credentials): Promise<void> {
  for (let question = await stream.receive(); question; question = await stream.receive())
    await stream.send(pack(AuthResponse, responseOf(credentials)));
}

function responseOf(credentials: Credentials): Init<AuthResponse> {
  switch (credentials.kind) {
    case 'password':
      return { authType: AuthType.CREDENTIALS, username: credentials.username, secret: credentials.password };
    case 'identity-token':
      return { authType: AuthType.REFRESH, secret: credentials.token };
    case 'bearer-token':
      return { authType: AuthType.HEADER, secret: `Bearer ${credentials.token}` };
  }
}
