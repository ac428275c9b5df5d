// Users by an htpasswd file with bcrypt entries, as Docker's registry takes it (`htpasswd -B`). The file is read again when it changes.
// bcrypt is slow by design, so a pair that was right is remembered for a while (as a keyed hash, never in clear), equal requests at
// once share one check, and checks run one after another with a short queue: guessing cannot take the processor.
import { createHmac, randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { EngineError } from '@berth/errdefs/engine-error';
import { compare, truncates } from 'bcryptjs';
import { Problem } from '../problem.ts';

const BCRYPT = /^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/;
const REMEMBERED_MS = 5 * 60_000;
const REMEMBERED = 1000;
const QUEUE = 32;
/** Compared with when there is no such user, so that the time tells nothing: the hash of a password that nobody knows. */
const NOBODY = '$2b$10$C6UzMDM.H6dfI/f/IKcEeO7ZQW3gnRQHDAZKEa1Yyw0v1fVbPqB3a';

export class Htpasswd {
  readonly #path: string;
  readonly #key = randomBytes(32);
  readonly #known = new Map<string, number>();
  readonly #running = new Map<string, Promise<boolean>>();
  #turn: Promise<unknown> = Promise.resolve();
  #users: ReadonlyMap<string, string>;
  #version: string;

  private constructor(path: string, users: ReadonlyMap<string, string>, version: string) {
    this.#path = path;
    this.#users = users;
    this.#version = version;
  }

  /** InvalidArgument, with the line, for a file that holds anything but bcrypt entries. */
  static async open(path: string): Promise<Htpasswd> {
    try {
      const version = await versionOf(path);
      return new Htpasswd(path, parse(await readFile(path, 'utf8'), path), version);
    } catch (cause) {
      if (cause instanceof EngineError) throw cause;
      throw new EngineError('InvalidArgument', `cannot read the htpasswd file: ${(cause as Error).message}`, { layer: 'registry', cause });
    }
  }

  async check(user: string, password: string): Promise<boolean> {
    await this.#reload();
    const key = createHmac('sha256', this.#key).update(`${user.length}:${user}${password}`).digest('base64');
    if ((this.#known.get(key) ?? 0) > Date.now()) return true;
    const running = this.#running.get(key);
    if (running) return running;
    if (this.#running.size >= QUEUE)
      throw new Problem('TOOMANYREQUESTS', 'too many logins at once: try again', { headers: { 'retry-after': '1' } });
    const check = this.#turn.then(() => this.#compare(user, password));
    this.#turn = check.catch(() => undefined);
    this.#running.set(key, check);
    try {
      const right = await check;
      if (right) this.#remember(key);
      return right;
    } finally {
      this.#running.delete(key);
    }
  }

  async #compare(user: string, password: string): Promise<boolean> {
    // What bcrypt would cut off after 72 bytes is no password that anybody set.
    if (truncates(password)) return false;
    const right = await compare(password, this.#users.get(user) ?? NOBODY);
    return right && this.#users.has(user);
  }

  #remember(key: string): void {
    this.#known.set(key, Date.now() + REMEMBERED_MS);
    if (this.#known.size <= REMEMBERED) return;
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest);
      break;
    }
  }

  /** A file that is gone or wrong after an edit leaves the users as they were. */
  async #reload(): Promise<void> {
    const version = await versionOf(this.#path).catch(() => this.#version);
    if (version === this.#version) return;
    this.#version = version;
    try {
      this.#users = parse(await readFile(this.#path, 'utf8'), this.#path);
      this.#known.clear();
    } catch (error) {
      process.stderr.write(`berth-registry: users are left as they were: ${(error as Error).message}\n`);
    }
  }
}

async function versionOf(path: string): Promise<string> {
  const { mtimeMs, size, ino } = await stat(path);
  return `${mtimeMs} ${size} ${ino}`;
}

function parse(text: string, path: string): Map<string, string> {
  const users = new Map<string, string>();
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const colon = line.indexOf(':');
    const hash = line.slice(colon + 1);
    if (colon <= 0 || !BCRYPT.test(hash)) {
      throw new EngineError('InvalidArgument', `${path} line ${index + 1} is no bcrypt entry: make it with htpasswd -B`, {
        layer: 'registry',
      });
    }
    users.set(line.slice(0, colon), hash);
  }
  return users;
}
