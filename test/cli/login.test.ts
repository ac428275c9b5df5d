import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { type RegistryProcess, startRegistry } from '../registry/registry-process.ts';
import { withBothClients } from './both-clients.ts';

let registry: RegistryProcess;
before(async () => {
  // alice, with the password `secret`
  registry = await startRegistry({ htpasswd: 'alice:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n' });
});
after(() => registry?.[Symbol.asyncDispose]());

withBothClients(
  'login and logout',
  {
    'a login is kept in config.json, used by push, and taken out again': async ({ client, daemon }) => {
      const path = join(daemon.directory, 'docker-config', 'config.json');
      mkdirSync(join(daemon.directory, 'docker-config'), { recursive: true });
      writeFileSync(path, JSON.stringify({ psFormat: '{{.ID}}' }));
      const login = await client(['login', '-u', 'alice', '--password-stdin', registry.host], { input: 'secret\n' });
      assert.match(login.stdout, /^Login Succeeded\n$/);
      assert.match(login.stderr, /WARNING! Your credentials are stored unencrypted in/);
      const stored = JSON.parse(readFileSync(path, 'utf8'));
      assert.deepEqual(stored, {
        auths: { [registry.host]: { auth: Buffer.from('alice:secret').toString('base64') } },
        psFormat: '{{.ID}}',
      });
      await client(['tag', 'busybox', `${registry.host}/mine`]);
      assert.equal((await client(['push', '-q', `${registry.host}/mine`])).code, 0);
      const again = await client(['login', registry.host]);
      assert.match(again.stderr, /Authenticating with existing credentials/);
      assert.match(again.stdout, /Login Succeeded\n/);
      assert.equal((await client(['logout', registry.host])).stdout, `Removing login credentials for ${registry.host}\n`);
      assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')).auths ?? {}, {});
      assert.match((await client(['push', `${registry.host}/mine`])).stderr, /no basic auth credentials/);
      assert.match((await client(['logout', registry.host])).stdout, /^Not logged in to |^Removing login credentials for /);
      await client(['rmi', `${registry.host}/mine`]);
      rmSync(path);
    },
    'wrong passwords and contradictions are refused, and nothing is kept': async ({ client, daemon }) => {
      const path = join(daemon.directory, 'docker-config', 'config.json');
      const wrong = await client(['login', '-u', 'alice', '--password-stdin', registry.host], { input: 'wrong' });
      assert.equal(wrong.code, 1);
      assert.match(wrong.stderr, /401 Unauthorized/);
      assert.match((await client(['login', '--password-stdin', registry.host])).stderr, /--password-stdin.* requires --username/);
      assert.match(
        (await client(['login', '-u', 'x', '-p', 'y', '--password-stdin', registry.host])).stderr,
        /--password (and|from|.*) --password-stdin/,
      );
      assert.ok(!existsSync(path) || !readFileSync(path, 'utf8').includes(registry.host));
    },
    'a credential helper keeps the secret': async ({ client, daemon }) => {
      const [config, programs] = [join(daemon.directory, 'helper-config'), join(daemon.directory, 'programs')];
      mkdirSync(config, { recursive: true });
      mkdirSync(programs, { recursive: true });
      const kept = join(programs, 'kept');
      const helper = `#!/bin/sh\ncase $1 in store) cat >${kept};; get) cat >/dev/null; cat ${kept};; erase) cat >/dev/null; rm -f ${kept};; list) echo {};; esac\n`;
      writeFileSync(join(programs, 'docker-credential-test'), helper);
      chmodSync(join(programs, 'docker-credential-test'), 0o755);
      writeFileSync(join(config, 'config.json'), JSON.stringify({ credsStore: 'test' }));
      const env = { DOCKER_CONFIG: config, PATH: `${programs}:${process.env.PATH}` };
      assert.match(
        (await client(['login', '-u', 'alice', '--password-stdin', registry.host], { input: 'secret', env })).stdout,
        /Login Succeeded/,
      );
      assert.deepEqual(JSON.parse(readFileSync(kept, 'utf8')), { ServerURL: registry.host, Username: 'alice', Secret: 'secret' });
      assert.deepEqual(JSON.parse(readFileSync(join(config, 'config.json'), 'utf8')), {
        auths: { [registry.host]: {} },
        credsStore: 'test',
      });
      await client(['logout', registry.host], { env });
      assert.ok(!existsSync(kept));
    },
  },
  // The registry is the machine's own.
  { hostNetwork: true },
);
