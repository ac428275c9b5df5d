import assert from 'node:assert/strict';
import { withBothClients } from './both-clients.ts';

withBothClients('listings and inspection', {
  'ps draws a table, filters and formats': async ({ client, unique }) => {
    const name = unique();
    await client(['run', '-d', '--name', name, '-l', 'role=test', '-p', '127.0.0.1::80', 'busybox', 'sleep', '60']);
    const table = (await client(['ps', '--filter', 'label=role=test'])).stdout.split('\n');
    assert.match(table[0] ?? '', /^CONTAINER ID +IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES$/);
    assert.match(table[1] ?? '', new RegExp(`^[0-9a-f]{12} +busybox +"sleep 60" +.+ ago +Up .+ +127\\.0\\.0\\.1:\\d+->80/tcp +${name}$`));
    assert.match((await client(['ps', '-q', '--filter', `name=${name}`])).stdout, /^[0-9a-f]{12}\n$/);
    const json = JSON.parse((await client(['ps', '--format', 'json', '--filter', `name=${name}`])).stdout);
    assert.equal(json.Names, name);
    assert.equal(json.Labels, 'role=test');
    await client(['rm', '-f', name]);
  },
  'images lists what was imported, by every spelling of its name': async ({ client }) => {
    const table = (await client(['images'])).stdout.split('\n');
    assert.match(table[0] ?? '', /^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE$/);
    assert.match(table[1] ?? '', /^busybox +latest +[0-9a-f]{12} +.+ ago +[\d.]+MB$/);
    for (const spelling of ['busybox', 'busybox:latest', 'docker.io/library/busybox', 'library/busybox']) {
      assert.equal(
        (await client(['inspect', '--type', 'image', '-f', '{{index .RepoTags 0}}', spelling])).stdout,
        'busybox:latest\n',
        spelling,
      );
    }
    const id = (await client(['images', '-q'])).stdout.trim();
    assert.equal((await client(['inspect', '-f', '{{.Os}}', id])).stdout, 'linux\n');
  },
  'tag and rmi': async ({ client }) => {
    assert.equal((await client(['tag', 'busybox', 'my/app:v1'])).code, 0);
    assert.equal((await client(['rmi', 'my/app:v1'])).stdout, 'Untagged: my/app:v1\n');
    const missing = await client(['rmi', 'my/app:v1']);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /No such image: my\/app:v1/);
  },
  'volumes are created, listed, inspected, removed': async ({ client, unique }) => {
    const name = unique();
    assert.equal((await client(['volume', 'create', '--label', 'a=b', name])).stdout, `${name}\n`);
    assert.equal((await client(['volume', 'ls', '-q', '--filter', `name=${name}`])).stdout, `${name}\n`);
    assert.equal((await client(['volume', 'inspect', '-f', '{{.Driver}} {{.Labels.a}}', name])).stdout, 'local b\n');
    assert.equal((await client(['volume', 'rm', name])).code, 0);
    assert.match((await client(['volume', 'inspect', name])).stderr, /no such volume/i);
  },
  'version and info': async ({ client }) => {
    assert.match((await client(['version', '--format', '{{.Server.APIVersion}}'])).stdout.replace('<no value>', ''), /^1\.51\n$/);
    assert.match((await client(['info', '--format', '{{.OSType}} {{.ServerVersion}}'])).stdout, /^linux \S+\n$/);
    const info = await client(['info']);
    assert.equal(info.code, 0);
    assert.match(info.stdout, /Storage Driver: overlay/);
  },
  'inspect prints an array, and tells what is missing': async ({ client, unique }) => {
    const name = unique();
    await client(['create', '--name', name, 'busybox']);
    const result = await client(['inspect', name, 'nosuchthing']);
    assert.equal(result.code, 1);
    assert.equal(JSON.parse(result.stdout)[0].Name, `/${name}`);
    assert.match(result.stderr, /no such object: nosuchthing/i);
    await client(['rm', name]);
  },
});
