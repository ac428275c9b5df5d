// `berth login`
import { createInterface } from 'node:readline/promises';
import { checkLogin } from '@berth/client/system/login';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { ExitError } from '../exit.ts';
import { credentialsFor } from '../image/credentials.ts';
import { openInput } from '../input-file.ts';
import { storeLogin } from './credential-store.ts';
import { HUB, registryAddress } from './registry-address.ts';

export const command: Command = {
  usage: 'login [OPTIONS] [SERVER]',
  description: 'Authenticate to a registry. Defaults to Docker Hub if no server is specified.',
  flags: {
    password: { type: 'string', alias: 'p', description: 'Password or Personal Access Token (PAT)' },
    'password-stdin': { type: 'boolean', description: 'Take the Password or Personal Access Token (PAT) from stdin' },
    username: { type: 'string', alias: 'u', description: 'Username' },
  },
  arguments: { min: 0, max: 1 },
  async run(context, args) {
    const registry = registryAddress(args.positional[0]);
    const stdin = args.boolean('password-stdin');
    if (args.given('password')) {
      context.warn('WARNING! Using --password via the CLI is insecure. Use --password-stdin.');
      if (stdin) throw new ExitError(1, 'conflicting options: cannot specify both --password and --password-stdin');
    }
    if (stdin && !args.string('username')) throw new ExitError(1, 'the --password-stdin option requires --username to be set');
    const stored = args.given('username') ? undefined : credentialsFor(context, registry);
    const reuse = stored?.username && !args.given('password') ? stored : undefined;
    if (reuse) context.warn(`Authenticating with existing credentials... [Username: ${reuse.username}]`);
    const username = args.string('username') ?? reuse?.username ?? (await ask(context, 'Username: '));
    const password =
      args.string('password') ?? (stdin ? await readSecret() : (reuse?.password ?? (await askSecret(context, 'Password: '))));
    const auth = { username, password, serveraddress: registry };
    const { Status, IdentityToken } = await checkLogin(context.engine, auth);
    if (storeLogin(context, registry, { ...auth, ...(IdentityToken ? { identitytoken: IdentityToken } : {}) })) {
      context.warn(`\nWARNING! Your credentials are stored unencrypted in '${context.configDirectory}/config.json'.`);
      context.warn('Configure a credential helper to remove this warning. See');
      context.warn('https://docs.docker.com/go/credential-store/\n');
    }
    context.print(Status || `Login Succeeded${registry === HUB ? '' : ` (${registry})`}`);
  },
};

async function readSecret(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of openInput('-')) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}

async function ask(context: Context, question: string): Promise<string> {
  needTerminal(context);
  const reader = createInterface({ input: context.stdin, output: context.stdout });
  try {
    return (await reader.question(question)).trim();
  } finally {
    reader.close();
  }
}

/** Types are not shown. */
async function askSecret(context: Context, question: string): Promise<string> {
  needTerminal(context);
  context.stdout.write(question);
  context.stdin.setRawMode(true);
  try {
    let typed = '';
    for await (const chunk of context.stdin) {
      for (const character of String(chunk)) {
        if (character === '\r' || character === '\n') return typed;
        if (character === '\x03' || character === '\x04') throw new ExitError(1, 'interrupted');
        typed = character === '\x7f' ? typed.slice(0, -1) : typed + character;
      }
    }
    return typed;
  } finally {
    context.stdin.setRawMode(false);
    context.stdout.write('\n');
  }
}

function needTerminal(context: Context): void {
  if (!context.stdin.isTTY) throw new ExitError(1, 'Error: Cannot perform an interactive login from a non TTY device');
}
