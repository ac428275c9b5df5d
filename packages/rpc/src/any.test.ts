import assert from 'node:assert/strict';
import test from 'node:test';
import { isKind } from '@berth/errdefs/engine-error';
import { TaskExit, TaskOOM } from '../gen/containerd/events/task.ts';
import { holds, pack, packJson, SPEC_TYPE, unpack, unpackJson } from './any.ts';

const refused = (error: unknown) => isKind(error, 'InvalidArgument');

test('a protobuf message goes under its full name', () => {
  const any = pack(TaskOOM, { containerId: 'c' });
  assert.equal(any.typeUrl, 'containerd.events.TaskOOM');
  assert.equal(unpack(TaskOOM, any).containerId, 'c');
  // As Go's own protobuf library writes it.
  assert.equal(unpack(TaskOOM, { ...any, typeUrl: `type.googleapis.com/${any.typeUrl}` }).containerId, 'c');
  assert.ok(!holds(any, TaskExit) && !holds(undefined, TaskOOM));
  assert.throws(() => unpack(TaskExit, any), refused);
});

test('a document of the runtime specification goes as JSON below a path', () => {
  const any = packJson(SPEC_TYPE, { ociVersion: '1.1.0' });
  assert.equal(any.typeUrl, 'types.containerd.io/opencontainers/runtime-spec/1/Spec');
  assert.deepEqual(JSON.parse(Buffer.from(any.value).toString()), { ociVersion: '1.1.0' });
  assert.deepEqual(unpackJson(any), { ociVersion: '1.1.0' });
  assert.throws(() => unpackJson({ ...any, value: Buffer.from('{"ociVersion":') }), refused);
});
