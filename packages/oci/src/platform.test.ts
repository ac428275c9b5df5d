import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bestMatch, formatPlatform, hostPlatform, normalize, type Platform, parsePlatform } from './platform.ts';

const on = (...texts: string[]) => texts.map((text) => ({ text, platform: fromText(text) }));
const fromText = (text: string): Platform => {
  const [os = '', architecture = '', variant] = text.split('/');
  return variant === undefined ? { os, architecture } : { os, architecture, variant };
};
const best = (wanted: string, ...offered: string[]) => bestMatch(fromText(wanted), on(...offered))?.text;

test('spellings of one platform are one', () => {
  assert.equal(formatPlatform(parsePlatform('linux/x86_64')), 'linux/amd64');
  assert.equal(formatPlatform(parsePlatform('aarch64')), 'linux/arm64');
  assert.equal(formatPlatform(parsePlatform('linux/arm64/v8')), 'linux/arm64');
  assert.equal(formatPlatform(parsePlatform('linux/armhf')), 'linux/arm/v7');
  assert.equal(formatPlatform(normalize({ os: 'Linux', architecture: 'arm', variant: '6' })), 'linux/arm/v6');
  assert.equal(formatPlatform(hostPlatform('x64')), 'linux/amd64');
  for (const bad of ['', 'a/b/c/d', 'pdp11', 'linux/ /x']) assert.throws(() => parsePlatform(bad), { kind: 'InvalidArgument' });
});

test('the best of an index', () => {
  assert.equal(best('linux/amd64', 'linux/arm64', 'linux/amd64', 'windows/amd64'), 'linux/amd64');
  assert.equal(best('linux/amd64', 'linux/amd64/v3', 'linux/amd64/v2'), undefined);
  assert.equal(best('linux/amd64/v3', 'linux/amd64', 'linux/amd64/v2', 'linux/amd64/v4'), 'linux/amd64/v2');
  assert.equal(best('linux/arm/v7', 'linux/arm/v5', 'linux/arm/v6', 'linux/arm64'), 'linux/arm/v6');
  assert.equal(best('linux/arm64', 'linux/arm/v6', 'linux/arm/v7'), 'linux/arm/v7');
  assert.equal(best('linux/arm64', 'linux/arm/v7', 'linux/arm64/v8'), 'linux/arm64/v8');
  assert.equal(best('linux/s390x', 'linux/amd64'), undefined);
});
