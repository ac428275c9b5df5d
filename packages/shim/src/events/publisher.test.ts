import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { TaskExecAdded } from '@berth/rpc/gen/containerd/events/task';
import { Events } from '@berth/rpc/gen/containerd/services/ttrpc/events/v1/events';
import { TtrpcServer } from '@berth/rpc/ttrpc/server';
import { EventPublisher } from './publisher.ts';

let directory: string;
let address: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'berth-publisher-'));
  address = join(directory, 'events');
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A service that answers each event when it is told to. */
class Service {
  readonly topics: string[] = [];
  readonly answers: (() => void)[] = [];
  readonly server = new TtrpcServer().register(Events, {
    forward: ({ envelope }) => {
      this.topics.push(envelope?.topic ?? '');
      return new Promise((resolve) => this.answers.push(() => resolve({})));
    },
  });

  async hears(count: number): Promise<string[]> {
    for (let waited = 0; this.topics.length < count && waited < 5000; waited += 5) await delay(5);
    return this.topics;
  }
}

const publish = (publisher: EventPublisher, topic: string, soon = false) =>
  publisher[soon ? 'publishSoon' : 'publish'](topic, TaskExecAdded, { containerId: 'c', execId: 'e' });

test('a service that keeps the order gets what waits without answering in between', async () => {
  const service = new Service();
  service.server.listen(address);
  const publisher = new EventPublisher({ address, namespace: 'n', inOrder: true });
  publish(publisher, '/one', true);
  publish(publisher, '/two', true);
  assert.deepEqual(service.topics, []);
  publish(publisher, '/three');
  assert.deepEqual(await service.hears(3), ['/one', '/two', '/three']);
  for (const answer of service.answers.splice(0)) answer();
  publish(publisher, '/alone', true);
  assert.equal((await service.hears(4))[3], '/alone');
  service.answers[0]?.();
  await publisher.close(1000);
  service.server.close();
});

test('another service gets one event at a time', async () => {
  const service = new Service();
  service.server.listen(address);
  const publisher = new EventPublisher({ address, namespace: 'n', inOrder: false });
  publish(publisher, '/one', true);
  publish(publisher, '/two');
  await service.hears(1);
  await delay(30);
  assert.deepEqual(service.topics, ['/one']);
  service.answers.shift()?.();
  assert.deepEqual(await service.hears(2), ['/one', '/two']);
  service.answers.shift()?.();
  await publisher.close(1000);
  service.server.close();
});

test('what was not answered is sent again to the service that comes after', async () => {
  const first = new Service();
  first.server.listen(address);
  const publisher = new EventPublisher({ address, namespace: 'n', inOrder: true });
  publish(publisher, '/one');
  publish(publisher, '/two');
  await first.hears(1);
  first.server.close();
  rmSync(address, { force: true });
  const second = new Service();
  second.server.listen(address);
  assert.deepEqual((await second.hears(2)).slice(-2), ['/one', '/two']);
  for (const answer of second.answers.splice(0)) answer();
  await publisher.close(1000);
  second.server.close();
});

test('the last words are not forgotten', async () => {
  const service = new Service();
  service.server.listen(address);
  const publisher = new EventPublisher({ address, namespace: 'n', inOrder: true });
  publish(publisher, '/last', true);
  const closed = publisher.close(1000);
  assert.deepEqual(await service.hears(1), ['/last']);
  service.answers[0]?.();
  await closed;
  service.server.close();
});
