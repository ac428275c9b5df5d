import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyChanges } from './config-changes.ts';

test('instructions change the configuration in order', () => {
  const changed = applyChanges({ Env: ['PATH=/bin', 'A=old'], Labels: { kept: 'yes' } }, [
    'CMD ["sh", "-l"]',
    'entrypoint run it',
    'ENV A=1 B="two words" C=three\\ words',
    'ENV OLD form of it',
    'EXPOSE 80 53/udp',
    'LABEL "a.b"="c d" e=f',
    'VOLUME /data /more',
    'VOLUME ["/json"]',
    'WORKDIR /srv\nWORKDIR app',
    'USER nobody\n',
    'STOPSIGNAL SIGINT',
    'ONBUILD RUN true',
    'HEALTHCHECK --interval=5s CMD look $A',
    'env D=$A-$C',
  ]);
  assert.deepEqual(changed, {
    Env: ['PATH=/bin', 'A=1', 'B=two words', 'C=three words', 'OLD=form of it', 'D=1-three words'],
    Labels: { kept: 'yes', 'a.b': 'c d', e: 'f' },
    Healthcheck: { Test: ['CMD-SHELL', 'look $A'], Interval: 5e9 },
    Cmd: ['sh', '-l'],
    Entrypoint: ['/bin/sh', '-c', 'run it'],
    ExposedPorts: { '80/tcp': {}, '53/udp': {} },
    Volumes: { '/data': {}, '/more': {}, '/json': {} },
    WorkingDir: '/srv/app',
    User: 'nobody',
    StopSignal: 'SIGINT',
    OnBuild: ['RUN true'],
  });
});

test('other instructions and malformed ones are refused', () => {
  for (const [change, message] of [
    ['RUN true', 'run is not a valid change command'],
    ['FROM x', 'from is not a valid change command'],
    ['ENTRYPOINT', 'dockerfile parse error on line 1: ENTRYPOINT requires at least one argument'],
    ['EXPOSE http', 'invalid containerPort: http'],
    ['LABEL a=1 b', 'dockerfile parse error on line 1: Syntax error - can\'t find = in "b". Must be of the form: name=value'],
  ] as const) {
    assert.throws(() => applyChanges({}, [change]), { kind: 'InvalidArgument', message });
  }
});
