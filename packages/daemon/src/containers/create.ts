// `POST /containers/create`: from the request and the image to a record. The answer goes out as soon as the record is safe; the
// root file system and the lifecycle service's own record are prepared behind it, and a start waits for them.
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { ContainerCreateRequest, ContainerCreateResponse } from '@berth/api/container';
import type { ContainerConfig, HostConfig } from '@berth/api/host-config';
import type { EndpointSettings } from '@berth/api/network';
import { EngineError, isKind } from '@berth/errdefs/engine-error';
import type { ExecutionConfig } from '@berth/oci/image-spec';
import { formatPlatform, hostPlatform, rank } from '@berth/oci/platform';
import type { Span } from '@berth/trace/tracer';
import type { Config } from '../config/config.ts';
import type { Image } from '../images/image.ts';
import { findNetwork } from '../networks/find-network.ts';
import { nowText } from '../state/clock.ts';
import { checkStorageOptions } from '../storage/rootfs-size.ts';
import { type Container, type ContainerRecord, initialState } from './container.ts';
import { containerDirectory } from './container-directory.ts';
import { type ContainerContext, emitContainerEvent } from './context.ts';
import { settleMounts } from './mounts/mount-requests.ts';
import { checkName } from './names.ts';
import { checkLinks } from './networking/links.ts';
import { prepareContainer } from './prepare.ts';
import { findInit, usesInit } from './spec/init-program.ts';
import { containerOfMode } from './spec/namespaces.ts';
import { mergeEnvironment } from './spec/spec.ts';
import { checkContainerConfig, checkHostConfig } from './validate.ts';

export interface CreateOptions {
  /** '' makes one up. */
  readonly name: string;
  readonly platform: string;
}

export async function createContainer(
  context: ContainerContext,
  request: ContainerCreateRequest,
  options: CreateOptions,
  span: Span,
): Promise<ContainerCreateResponse> {
  const { HostConfig: askedHost, NetworkingConfig: networking, ...askedConfig } = request;
  if (Object.keys(askedConfig).length === 0) {
    throw new EngineError('InvalidArgument', 'config cannot be empty in order to create a container', { layer: 'daemon' });
  }
  const name = options.name === '' ? '' : checkName(options.name);
  checkContainerConfig(askedConfig);
  const hostConfig = normalizeHostConfig(askedHost ?? {}, context.config);
  checkHostConfig(hostConfig);
  checkRuntime(hostConfig, context.config);
  checkStorageOptions(hostConfig.StorageOpt, context.config);
  if (!askedConfig.Image) throw new EngineError('InvalidArgument', 'no image was named: the field Image is empty', { layer: 'daemon' });

  const image = await span.during('resolve image', () => context.images.resolve(askedConfig.Image as string, options.platform));
  const id = randomBytes(32).toString('hex');
  const config = mergeConfig(askedConfig, image.config.config ?? {}, id);
  resolveContainerModes(context, hostConfig);
  checkLinks(context, hostConfig.Links);
  // Who shares a network shares its names.
  const networkOwner = containerOfMode(hostConfig.NetworkMode);
  if (networkOwner !== undefined) config.Hostname = context.store.get(networkOwner).record.config.Hostname;
  else if (hostConfig.NetworkMode === 'host' && !askedConfig.Hostname) config.Hostname = hostname();
  const container = await addContainer(context, { id, name, image, config, hostConfig, networking: networking?.EndpointsConfig ?? {} });

  emitContainerEvent(context, container, 'create');
  container.prepared = prepareContainer(context, container, span);
  // A start awaits it and reports what went wrong; nobody else has to.
  container.prepared.catch(() => {});
  return { Id: id, Warnings: [...warningsOf(hostConfig), ...platformWarning(image, options.platform)] };
}

/** Docker's words for an image that was pulled for some other machine. */
function platformWarning({ config }: Image, asked: string): string[] {
  const { os, architecture, variant } = config;
  const own = { os, architecture, ...(variant ? { variant } : {}) };
  if (asked !== '' || rank(hostPlatform(), own) !== undefined) return [];
  return [
    `The requested image's platform (${formatPlatform(own)}) does not match the detected host platform (${formatPlatform(hostPlatform())}) and no specific platform was requested`,
  ];
}

interface Settled {
  readonly id: string;
  readonly name: string;
  readonly image: Image;
  readonly config: ContainerConfig;
  readonly hostConfig: HostConfig;
  readonly networking: Readonly<Record<string, EndpointSettings | null>>;
}

/** Everything from the name on is undone when a later step fails: no half-made container stays. */
async function addContainer(context: ContainerContext, settled: Settled): Promise<Container> {
  const { id, image, config, hostConfig } = settled;
  const argv = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  const [path, ...args] = argv;
  if (path === undefined || path === '') throw new EngineError('InvalidArgument', 'no command specified', { layer: 'daemon' });
  const networks = networksOf(context, settled);
  const name = context.store.reserveName(settled.name, id);
  try {
    const { volumes, images, store } = context;
    const mounts = await settleMounts(config, hostConfig, { volumes, images, containerOf: (reference) => store.get(reference) });
    const directory = containerDirectory(context.config, id);
    mkdirSync(directory, { recursive: true, mode: 0o710 });
    const record: ContainerRecord = {
      id,
      name,
      created: nowText(),
      imageId: image.id,
      chainId: image.chainId,
      platform: image.config.os,
      path,
      args,
      config,
      hostConfig,
      networks,
      mounts,
      endpoints: [],
      logPath: hostConfig.LogConfig?.Type === 'none' ? '' : join(directory, `${id}-json.log`),
      state: initialState(),
    };
    return context.store.add(record);
  } catch (error) {
    context.store.releaseName(name, id);
    rmSync(containerDirectory(context.config, id), { recursive: true, force: true });
    throw error;
  }
}

/** The user's settings over the image's (moby's image merge). */
export function mergeConfig(asked: ContainerConfig, image: ExecutionConfig, id: string): ContainerConfig {
  const entrypoint = wordsOf(asked.Entrypoint);
  const command = wordsOf(asked.Cmd);
  // A given entrypoint takes the image's command with it; [""] clears the entrypoint.
  const clearsEntrypoint = entrypoint?.length === 1 && entrypoint[0] === '';
  return {
    ...asked,
    Hostname: asked.Hostname || id.slice(0, 12),
    Domainname: asked.Domainname ?? '',
    User: asked.User || image.User || '',
    AttachStdin: asked.AttachStdin ?? false,
    AttachStdout: asked.AttachStdout ?? false,
    AttachStderr: asked.AttachStderr ?? false,
    ...orMissing('ExposedPorts', { ...image.ExposedPorts, ...asked.ExposedPorts }),
    Tty: asked.Tty ?? false,
    OpenStdin: asked.OpenStdin ?? false,
    StdinOnce: asked.StdinOnce ?? false,
    Env: mergeEnvironment([], [...(image.Env ?? []), ...(asked.Env ?? [])]),
    Cmd: entrypoint?.length || command?.length ? (command ?? null) : (image.Cmd ?? null),
    ...healthcheck(asked, image),
    Image: asked.Image,
    Volumes: emptyToNull({ ...image.Volumes, ...asked.Volumes }),
    WorkingDir: asked.WorkingDir || image.WorkingDir || '',
    Entrypoint: clearsEntrypoint ? null : entrypoint?.length ? entrypoint : (image.Entrypoint ?? null),
    OnBuild: null,
    Labels: { ...image.Labels, ...asked.Labels },
    ...(asked.StopSignal || image.StopSignal ? { StopSignal: asked.StopSignal || image.StopSignal } : {}),
  };
}

function healthcheck(asked: ContainerConfig, image: ExecutionConfig): Pick<ContainerConfig, 'Healthcheck'> {
  const inherited = image.Healthcheck;
  const own = asked.Healthcheck;
  if (!own) return inherited ? { Healthcheck: inherited } : {};
  if (own.Test?.length) return { Healthcheck: own };
  return {
    Healthcheck: {
      ...inherited,
      ...Object.fromEntries(Object.entries(own).filter(([, value]) => value && (!Array.isArray(value) || value.length > 0))),
    },
  };
}

/** Old clients send a lone string for a command. */
function wordsOf(value: string[] | string | null | undefined): string[] | undefined {
  return typeof value === 'string' ? [value] : (value ?? undefined);
}

/** Defaults where nothing was said, as moby fills them in. */
export function normalizeHostConfig(asked: HostConfig, config: Config): HostConfig {
  const network = asked.NetworkMode || 'bridge';
  const memory = asked.Memory ?? 0;
  return {
    ...asked,
    NetworkMode: network === 'default' ? 'bridge' : network,
    LogConfig: {
      Type: asked.LogConfig?.Type || config.logDriver,
      Config: {
        ...(asked.LogConfig?.Type && asked.LogConfig.Type !== config.logDriver ? {} : config.logOptions),
        ...asked.LogConfig?.Config,
      },
    },
    RestartPolicy: { Name: asked.RestartPolicy?.Name || 'no', MaximumRetryCount: asked.RestartPolicy?.MaximumRetryCount ?? 0 },
    PortBindings: asked.PortBindings ?? {},
    AutoRemove: asked.AutoRemove ?? false,
    IpcMode: asked.IpcMode || 'private',
    CgroupnsMode: asked.CgroupnsMode || config.cgroupnsMode,
    ShmSize: asked.ShmSize || config.shmSize,
    Runtime: asked.Runtime || config.defaultRuntime,
    CapAdd: capabilityList(asked.CapAdd),
    CapDrop: capabilityList(asked.CapDrop),
    // A limit without a word about swap allows as much swap again.
    ...(memory > 0 && !asked.MemorySwap ? { MemorySwap: memory * 2 } : {}),
    MaskedPaths: asked.Privileged ? [] : (asked.MaskedPaths ?? undefined),
    ReadonlyPaths: asked.Privileged ? [] : (asked.ReadonlyPaths ?? undefined),
    Init: asked.Init ?? (config.init || undefined),
  };
}

function capabilityList(value: string[] | string | null | undefined): string[] | null {
  return wordsOf(value) ?? null;
}

function checkRuntime(hostConfig: HostConfig, config: Config): void {
  const runtime = hostConfig.Runtime as string;
  if (!runtimeNames(config).includes(runtime) && !runtime.startsWith('io.containerd.') && !runtime.startsWith('/')) {
    throw new EngineError('InvalidArgument', `unknown or invalid runtime name: ${runtime}`, { layer: 'daemon' });
  }
  // The start needs it; a user hears of its absence now.
  if (usesInit(hostConfig)) findInit(config);
}

/** `runc` is what clients name when they mean "the usual one". */
export function runtimeNames(config: Config): string[] {
  return [...new Set(['berth', 'runc', 'io.containerd.runc.v2', config.defaultRuntime, ...Object.keys(config.runtimes)])];
}

/** `container:NAME` becomes `container:ID`, so that a rename does not matter. */
function resolveContainerModes(context: ContainerContext, hostConfig: HostConfig): void {
  for (const key of ['NetworkMode', 'PidMode', 'IpcMode'] as const) {
    const other = containerOfMode(hostConfig[key]);
    if (other !== undefined) hostConfig[key] = `container:${referencedContainer(context, other)}`;
  }
}

/** The networks by name, with what was asked of each; unknown ones are found at the start, as with dockerd. */
function networksOf(context: ContainerContext, settled: Settled): Record<string, EndpointSettings> {
  const mode = settled.hostConfig.NetworkMode as string;
  if (containerOfMode(mode) !== undefined) return {};
  const asked = Object.entries(settled.networking).map(
    ([name, settings]) => [name === 'default' ? 'bridge' : name, settings ?? {}] as const,
  );
  const networks = Object.fromEntries(asked);
  const known = findNetwork(context.networks, mode)?.record.name ?? mode;
  if (asked.length === 0) networks[known] = {};
  if (settled.config.MacAddress && networks[known]) networks[known] = { ...networks[known], MacAddress: settled.config.MacAddress };
  return networks;
}

function warningsOf(hostConfig: HostConfig): string[] {
  return hostConfig.OomKillDisable && !hostConfig.Memory
    ? ['OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.']
    : [];
}

function orMissing<K extends string, V extends object>(key: K, value: V): { [P in K]?: V } {
  return Object.keys(value).length > 0 ? ({ [key]: value } as { [P in K]: V }) : {};
}

function emptyToNull<V extends object>(value: V): V | null {
  return Object.keys(value).length > 0 ? value : null;
}

/** Its id. A client that reads "not found" from create would pull the image, so a container that is missing is bad input here. */
function referencedContainer(context: ContainerContext, reference: string): string {
  try {
    return context.store.get(reference).id;
  } catch (error) {
    throw isKind(error, 'NotFound')
      ? new EngineError('InvalidArgument', (error as Error).message, { layer: 'daemon', cause: error })
      : error;
  }
}
