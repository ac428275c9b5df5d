import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLogConfig } from './log-options.ts';

test('drivers and options that are known pass', () => {
  checkLogConfig(undefined);
  checkLogConfig({ Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3', mode: 'non-blocking' } });
  checkLogConfig({ Type: 'local', Config: { 'max-size': '-1' } });
  checkLogConfig({ Type: 'none', Config: {} });
});

test('others are refused in Docker’s words', () => {
  const refused = (Type: string, Config: Record<string, string>, message: string) =>
    assert.throws(() => checkLogConfig({ Type, Config }), { message });
  refused('syslog', {}, "logger: no log driver named 'syslog' is registered");
  refused('json-file', { nonsense: '1' }, "unknown log opt 'nonsense' for json-file log driver");
  refused('none', { 'max-size': '1m' }, "unknown log opt 'max-size' for none log driver");
  refused('json-file', { 'max-size': 'banana' }, "invalid size: 'banana'");
  refused('local', { 'max-file': '0' }, 'max-file cannot be less than 1');
});
