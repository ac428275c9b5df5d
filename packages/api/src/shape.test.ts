import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CONTAINER_CREATE } from './request-shapes.ts';
import { checkShape, parseJson } from './shape.ts';

const wrong = (body: unknown, message: string) =>
  assert.throws(() => checkShape(body, CONTAINER_CREATE, 'ContainerCreateRequest'), { kind: 'InvalidArgument', message });

test('the field of the wrong type is named', () => {
  wrong([], 'invalid JSON: ContainerCreateRequest must be an object, got a list');
  wrong({ Image: 3 }, 'invalid JSON: ContainerCreateRequest.Image must be a string, got a number');
  wrong({ HostConfig: { Memory: '1g' } }, 'invalid JSON: ContainerCreateRequest.HostConfig.Memory must be an integer, got a string');
  wrong({ HostConfig: { Memory: 1.5 } }, 'invalid JSON: ContainerCreateRequest.HostConfig.Memory must be an integer, got a number 1.5');
  wrong({ Env: ['a', 2] }, 'invalid JSON: ContainerCreateRequest.Env[1] must be a string, got a number');
  wrong({ Labels: { a: true } }, 'invalid JSON: ContainerCreateRequest.Labels.a must be a string, got a boolean');
});

test('null stands for a missing value, unknown fields pass, a lone string for a command', () => {
  checkShape({ Image: null, Cmd: 'true', Later: 1, HostConfig: null, Volumes: { '/x': {} } }, CONTAINER_CREATE, 'body');
});

test('malformed JSON', () => {
  assert.throws(() => parseJson('{'), { kind: 'InvalidArgument', message: /^invalid JSON: / });
});
