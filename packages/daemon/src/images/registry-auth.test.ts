import assert from 'node:assert/strict';
import { test } from 'node:test';
import { credentialsOf } from '@berth/oci/registry/credentials';
import { authConfigsOf, authOf } from './registry-auth.ts';

const header = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

test('every form of credentials', () => {
  assert.deepEqual(credentialsOf(authOf(header({ username: 'u', password: 'p>>?' }))), {
    kind: 'password',
    username: 'u',
    password: 'p>>?',
  });
  assert.deepEqual(credentialsOf(authOf(header({ identitytoken: 't', username: '<token>' }))), { kind: 'identity-token', token: 't' });
  assert.deepEqual(credentialsOf(authOf(header({ registrytoken: 't' }))), { kind: 'bearer-token', token: 't' });
  assert.deepEqual(credentialsOf(authOf(header({ auth: Buffer.from('u:p:q').toString('base64') }))), {
    kind: 'password',
    username: 'u',
    password: 'p:q',
  });
  assert.equal(credentialsOf(authOf(header({}))), undefined);
});

test('what cannot be read is no credentials', () => {
  for (const text of [undefined, '', 'not base64!', Buffer.from('[1').toString('base64')]) assert.equal(authOf(text), undefined);
  assert.deepEqual(authConfigsOf(header({ 'r.example': { username: 'u' } })), { 'r.example': { username: 'u' } });
});
