import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { covers, publicKeys, signToken, verifyToken } from './token.ts';

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const content = { issuer: 'i', service: 's', user: 'u', lifeSeconds: 60, access: [{ type: 'repository', name: 'a', actions: ['pull'] }] };
const now = Date.now() / 1000;

test('a token is good for its audience, its issuer and its time', () => {
  const token = signToken(content, privateKey);
  assert.equal(verifyToken(token, [publicKey], { issuer: 'i', service: 's' })?.sub, 'u');
  assert.ok(verifyToken(token, [publicKey], { issuer: undefined, service: 's' }));
  assert.equal(verifyToken(token, [publicKey], { issuer: 'j', service: 's' }), undefined);
  assert.equal(verifyToken(token, [publicKey], { issuer: 'i', service: 't' }), undefined);
  assert.ok(verifyToken(token, [publicKey], { issuer: 'i', service: 's' }, now + 110));
  assert.equal(verifyToken(token, [publicKey], { issuer: 'i', service: 's' }, now + 130), undefined);
  assert.equal(verifyToken(token, [publicKey], { issuer: 'i', service: 's' }, now - 120), undefined);
});

test('the key, not the token, says which algorithm', () => {
  const [, body = '', signature] = signToken(content, privateKey).split('.');
  const head = (header: object) => Buffer.from(JSON.stringify(header)).toString('base64url');
  for (const header of [{ alg: 'none' }, { alg: 'HS256' }, { alg: 'RS256' }, {}, { alg: 'ES256', crit: ['x'] }]) {
    assert.equal(verifyToken(`${head(header)}.${body}.${signature}`, [publicKey], { issuer: 'i', service: 's' }), undefined);
    assert.equal(verifyToken(`${head(header)}.${body}.`, [publicKey], { issuer: 'i', service: 's' }), undefined);
  }
});

test('actions add up over entries; another type or name gives nothing', () => {
  const need = { type: 'repository', name: 'a', actions: ['pull', 'push'] } as const;
  const entry = (name: string, ...actions: string[]) => ({ type: 'repository', name, actions });
  assert.ok(covers([entry('a', 'pull'), entry('a', 'push')], need));
  assert.ok(covers([entry('a', '*')], need));
  assert.ok(!covers([entry('a', 'pull'), entry('b', 'push')], need));
  assert.ok(!covers([{ ...entry('a', '*'), type: 'registry' }], need));
  assert.ok(!covers(undefined, need));
});

test('only keys that tokens may be signed with are taken', () => {
  const pem = (curve: string) =>
    generateKeyPairSync('ec', { namedCurve: curve }).publicKey.export({ type: 'spki', format: 'pem' }) as string;
  assert.equal(publicKeys(pem('P-256') + pem('P-256'), 'k').length, 2);
  assert.throws(() => publicKeys(pem('P-384'), 'k'), /k must hold RSA or P-256 public keys/);
  assert.throws(() => publicKeys('', 'k'), /k must hold/);
});
