// Pulls an image, runs a command in a container of it, and removes everything but the image: with the lifecycle service alone, no daemon.
//
//   node run-container.ts SOCKET REFERENCE [COMMAND…]
//
// A registry on this machine (localhost, 127.0.0.1) is spoken to without TLS.
import { createContainer } from '@berth/lifecycle/client/create-container';
import { LifecycleClient } from '@berth/lifecycle/client/lifecycle-client';
import { createTask } from '@berth/lifecycle/client/task';
import { pullImage } from '@berth/lifecycle/client/transfer-images';

const [socket = '', reference = '', ...args] = process.argv.slice(2);
using client = new LifecycleClient(socket, { namespace: 'example' });
await client.ready();

await pullImage(client, reference, {
  plainHttp: /^(localhost|127\.0\.0\.1)[:/]/.test(reference),
  onProgress: ({ event, name }) => process.stderr.write(`${event} ${name}\n`),
});

await using container = await createContainer(client, {
  id: `example-${process.pid}`,
  image: reference,
  ...(args.length > 0 ? { args } : {}),
});
await using task = await createTask(client, container.id, { stdout: process.stdout, stderr: process.stderr });
await task.start();
const { exitStatus } = await task.wait();
process.exitCode = exitStatus;
