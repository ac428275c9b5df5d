// `POST /containers/{id}/attach`: a client on a container's input and output, now or from its next start on.
import { parseDetachKeys } from '@berth/api/detach-keys';
import { EngineError } from '@berth/errdefs/engine-error';
import { connectProcess, runAttachment } from '../io/attachment.ts';
import type { HijackedStream } from '../server/hijack.ts';
import type { Container } from './container.ts';
import { attachSocket } from './container-directory.ts';
import { type ContainerContext, emitContainerEvent } from './context.ts';
import { frameEntry, readLog } from './logs.ts';

export interface AttachRequest {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Live output; without it only `logs`. */
  readonly stream: boolean;
  /** What was written before. */
  readonly logs: boolean;
  readonly detachKeys: string;
}

/** `open` answers the client; whatever is wrong with the request is thrown before. */
export async function attachContainer(
  context: ContainerContext,
  container: Container,
  request: AttachRequest,
  open: () => HijackedStream,
): Promise<void> {
  const keys = parseDetachKeys(request.detachKeys);
  const { phase } = container.record.state;
  if (phase === 'paused')
    throw new EngineError('Conflict', `container ${container.id} is paused, unpause the container before attach`, { layer: 'daemon' });
  if (phase === 'restarting') {
    throw new EngineError('Conflict', `Container ${container.id} is restarting, wait until the container is running`, { layer: 'daemon' });
  }
  const stdin = request.stdin && container.record.config.OpenStdin === true;
  const streams = { stdin, stdout: request.stdout, stderr: request.stderr };
  const live = async (path: string) => {
    const process = await connectProcess(path, streams);
    void runAttachment(client, process, { stdin, detachKeys: container.terminal ? keys : undefined }).then((outcome) => {
      if (outcome === 'detached') emitContainerEvent(context, container, 'detach');
    });
  };

  const wasRunning = container.running;
  const client = open();
  emitContainerEvent(context, container, 'attach');
  if (request.logs) await replay(context, container, request, client);
  if (!request.stream) {
    client.end();
    return;
  }
  if (wasRunning) {
    await live(attachSocket(context.config, container.id));
    return;
  }
  const pending = async (path: string) => {
    for (const event of ['startFailed', 'removed'] as const) container.signals.off(event, abandon);
    await live(path);
  };
  const abandon = () => {
    container.pendingAttachments.delete(pending);
    client.end();
  };
  container.pendingAttachments.add(pending);
  for (const event of ['startFailed', 'removed'] as const) container.signals.once(event, abandon);
  void client.closed.then(() => container.pendingAttachments.delete(pending));
}

async function replay(context: ContainerContext, container: Container, request: AttachRequest, client: HijackedStream): Promise<void> {
  const options = { stdout: request.stdout, stderr: request.stderr, follow: false, tail: undefined, since: undefined, until: undefined };
  for await (const entry of readLog(context, container, options)) {
    client.output.write(frameEntry(entry, { terminal: container.terminal, timestamps: false, details: false }));
  }
}
