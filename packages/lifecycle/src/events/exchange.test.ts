import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isKind } from '@berth/errdefs/engine-error';
import { pack } from '@berth/rpc/any';
import { ContainerCreate } from '@berth/rpc/gen/containerd/events/container';
import { TaskExit } from '@berth/rpc/gen/containerd/events/task';
import { EventExchange } from './exchange.ts';

/** The topics that a subscription with these filters gets of what `publish` publishes. */
async function received(filters: string[], publish: (exchange: EventExchange) => void): Promise<string[]> {
  const exchange = new EventExchange();
  const controller = new AbortController();
  const events = exchange.subscribe([...filters, 'topic==/end'], controller.signal);
  publish(exchange);
  exchange.publish('any', '/end', undefined);
  const topics: string[] = [];
  for await (const { topic } of events) {
    if (topic === '/end') break;
    topics.push(topic);
  }
  return topics;
}

function publishSome(exchange: EventExchange): void {
  exchange.emit('moby', '/containers/create', ContainerCreate, { id: 'a', image: 'busybox' });
  exchange.emit('moby', '/tasks/exit', TaskExit, { containerId: 'a', id: 'a' });
  exchange.emit('other', '/tasks/exit', TaskExit, { containerId: 'b', id: 'exec' });
}

test('a subscriber gets what was published after it subscribed, in order', async () => {
  assert.deepEqual(await received(['topic~=|.*|'], publishSome), ['/containers/create', '/tasks/exit', '/tasks/exit']);
});

test('filters: of one all selectors hold, of several one; fields of the event by their wire names', async () => {
  assert.deepEqual(await received(['namespace==moby,topic~=|^/tasks/|'], publishSome), ['/tasks/exit']);
  assert.deepEqual(await received(['namespace==other', 'topic==/containers/create'], publishSome), ['/containers/create', '/tasks/exit']);
  assert.deepEqual(await received(['event.container_id==b'], publishSome), ['/tasks/exit']);
  assert.deepEqual(await received(['event.image==busybox'], publishSome), ['/containers/create']);
  assert.deepEqual(await received(['event.image==other'], publishSome), []);
});

test('the end of the signal ends the subscription', async () => {
  const exchange = new EventExchange();
  const controller = new AbortController();
  const events = exchange.subscribe([], controller.signal);
  const next = events.next();
  controller.abort();
  assert.deepEqual(await next, { done: true, value: undefined });
});

test('who does not read is dropped, and told so', async () => {
  const exchange = new EventExchange();
  const events = exchange.subscribe([], new AbortController().signal);
  for (let n = 0; n < 50_001; n++) exchange.emit('n', '/tasks/exit', TaskExit, {});
  await assert.rejects(events.next(), (error) => isKind(error, 'ResourceExhausted'));
});

test('what is no event is refused', () => {
  const exchange = new EventExchange();
  const event = pack(TaskExit, {});
  for (const [namespace, topic] of [
    ['', '/a'],
    ['n', 'tasks/exit'],
    ['n', '/'],
    ['n', '/a//b'],
    ['n/m', '/a'],
    ['n', '/a b'],
  ] as const) {
    assert.throws(
      () => exchange.publish(namespace, topic, event),
      (error) => isKind(error, 'InvalidArgument'),
      `${namespace} ${topic}`,
    );
  }
  assert.throws(() => exchange.forward({ namespace: 'n', topic: '/a', event }), /timestamp must be set/);
});
