// RUN: a container of the daemon like any other, on a state that is no image yet. What it changed becomes a layer.
import { closeSync, constants, lstatSync, openSync, readdirSync, rmdirSync, type Stats, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import type { HostConfig } from '@berth/api/host-config';
import { STREAM, StdcopyDecoder } from '@berth/api/stdcopy';
import type { BuiltLayer, RunRequest, RunResult } from '@berth/builder/solver/backend';
import { chainIdOf, stateId } from '@berth/builder/solver/image-state';
import { listXattrAt } from '@berth/sys/byte-path';
import type { Span } from '@berth/trace/tracer';
import type { Container } from '../containers/container.ts';
import type { ContainerContext } from '../containers/context.ts';
import { createContainer } from '../containers/create.ts';
import { MOUNT_POINTS } from '../containers/mounts/mount-points.ts';
import { removeContainer } from '../containers/remove.ts';
import { layersOf } from '../containers/rootfs.ts';
import { startContainer } from '../containers/start.ts';
import { waitFor } from '../containers/wait.ts';
import type { Image } from '../images/image.ts';
import { connectProcess } from '../io/attachment.ts';

/** Marks a build's containers, so that a daemon which starts again knows whose they were. */
const BUILD_LABEL = 'berth.builder/step';

/** Removes what ran for builds that ended with the last daemon. */
export async function removeAbandoned(context: ContainerContext): Promise<void> {
  const abandoned = context.store
    .all()
    .filter((container) => container.running && container.record.config.Labels?.[BUILD_LABEL] !== undefined);
  using span = context.tracer.start('remove abandoned builds', undefined);
  for (const container of abandoned) await removeContainer(context, container, { force: true, volumes: true }, span);
}

export interface RunOptions {
  hostConfig: HostConfig;
  /** After success, and after failure. */
  remove: boolean;
  forceRemove: boolean;
  /** Makes the layer of the container's snapshot, which is gone afterwards. */
  commit(containerId: string, parent: string): Promise<BuiltLayer>;
  span: Span;
}

export async function runStep(context: ContainerContext, request: RunRequest, options: RunOptions): Promise<RunResult> {
  const { state, argv, env, signal } = request;
  const { span } = options;
  const image = imageOf(request);
  const images = { resolve: async () => image };
  const asked = {
    Image: image.id,
    Entrypoint: [''],
    Cmd: [...argv],
    Env: [...env],
    Labels: { [BUILD_LABEL]: '' },
    HostConfig: { ...options.hostConfig, LogConfig: { Type: 'none' } },
  };
  const { Id: containerId } = await createContainer({ ...context, images }, asked, { name: '', platform: '' }, span);
  const container = context.store.get(containerId);
  const remove = () => removeContainer(context, container, { force: true, volumes: true }, span);
  const kill = () =>
    void remove().catch((error) =>
      context.log.warn({ container: containerId, err: error }, 'cannot remove the container of a cancelled build'),
    );
  try {
    request.onContainer(containerId);
    const output = forwardOutput(container, request.onOutput);
    const ended = waitFor(container, 'next-exit', new AbortController().signal);
    await startContainer(context, container, span);
    signal.addEventListener('abort', kill, { once: true });
    if (signal.aborted) kill();
    const { StatusCode: exitCode } = await ended;
    await output;
    signal.throwIfAborted();
    if (exitCode !== 0) {
      if (options.forceRemove) await remove();
      return { exitCode, containerId };
    }
    await container.cleanup;
    removeMountPoints(container);
    const layer = await options.commit(containerId, chainIdOf(state));
    // Its root file system has become the layer: the container could not start again.
    await remove();
    return { exitCode: 0, layer, containerId };
  } catch (error) {
    if (context.store.find(containerId)) await remove().catch(() => {});
    throw error;
  } finally {
    signal.removeEventListener('abort', kill);
  }
}

/** The state as the container verbs know images. */
function imageOf({ state }: RunRequest): Image {
  const id = stateId(state);
  const config = { ...state.config, config: { ...state.config.config, Healthcheck: undefined } };
  const manifest = { mediaType: '', digest: id, size: 0 };
  return { id, config, chainId: chainIdOf(state), manifest, layers: state.layers, names: [], repoTags: [], repoDigests: [] };
}

/** Both streams in the order in which they came; settles when the last byte was told. */
function forwardOutput(container: Container, tell: (text: string) => void): Promise<void> {
  return new Promise((resolve) => {
    container.signals.once('exit', () => {
      if (container.pendingAttachments.size > 0) resolve();
    });
    container.pendingAttachments.add(async (path) => {
      const socket = await connectProcess(path, { stdin: false, stdout: true, stderr: true });
      const frames = new StdcopyDecoder();
      const texts = { [STREAM.stdout]: new StringDecoder('utf8'), [STREAM.stderr]: new StringDecoder('utf8') };
      socket.on('data', (chunk: Buffer) => {
        for (const { stream, payload } of frames.push(chunk)) {
          const text = texts[stream === STREAM.stderr ? STREAM.stderr : STREAM.stdout].write(Buffer.from(payload));
          if (text !== '') tell(text);
        }
      });
      socket.once('close', resolve);
      socket.once('end', () => socket.destroy());
    });
  });
}

/** Takes empty mount points out of the container's layer again: a command that changed nothing makes a layer of nothing. */
function removeMountPoints(container: Container): void {
  const { upper, lower } = layersOf(container.rootfs ?? []);
  if (upper === undefined) return;
  for (const path of MOUNT_POINTS) {
    const place = join(upper, path);
    const stats = lstat(place);
    const below = lower.flatMap((layer) => lstat(join(layer, path)) ?? [])[0];
    if (!stats) continue;
    if (stats.isDirectory()) {
      const same = !below || (below.isDirectory() && below.mode === stats.mode && below.uid === stats.uid && below.gid === stats.gid);
      if (same && readdirSync(place).length === 0 && !isOpaque(place)) rmdirSync(place);
    } else if (stats.isFile() && stats.size === 0 && !below) {
      unlinkSync(place);
    }
  }
}

/** An empty directory that hides what the layers below have there. */
function isOpaque(directory: string): boolean {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return listXattrAt(fd, '.').some((name) => name.endsWith('.overlay.opaque'));
  } finally {
    closeSync(fd);
  }
}

function lstat(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
