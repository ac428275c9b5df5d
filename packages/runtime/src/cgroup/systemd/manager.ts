// systemd's manager object over its private socket, which speaks D-Bus without a bus between (org.freedesktop.systemd1(5)): starting,
// changing and stopping a transient unit. Synchronous, as all of the runtime; each call waits for its answer and for the job it began.
import { EngineError } from '@berth/errdefs/engine-error';
import { UnixStream } from '@berth/sys/unix-stream';
import { marshal, unmarshal } from './marshal.ts';

/** Name, signature of the value, value. */
export type UnitProperty = [name: string, value: [signature: string, value: unknown]];

const OBJECT = '/org/freedesktop/systemd1';
const MANAGER = 'org.freedesktop.systemd1.Manager';
/** Seconds for an answer, and for a job. */
const TIMEOUT = 30;
const LITTLE_ENDIAN = 0x6c;
const PROTOCOL_VERSION = 1;
const MESSAGE = { CALL: 1, RETURN: 2, ERROR: 3, SIGNAL: 4 } as const;
const FIELD = { PATH: 1, INTERFACE: 2, MEMBER: 3, ERROR_NAME: 4, REPLY_SERIAL: 5, DESTINATION: 6, SIGNATURE: 8 } as const;
/** Byte order, type, flags, version, length of the body, serial, fields. */
const HEADER = 'yyyyuua(yv)';
/** All of it that has a fixed length: up to the length of the fields. */
const FIXED = 16;

interface Message {
  type: number;
  fields: Map<number, unknown>;
  body: unknown[];
}

export class SystemdManager implements Disposable {
  readonly #stream: UnixStream;
  #serial = 0;
  /** Jobs that ended before anybody waited for them: path to result. */
  readonly #ended = new Map<string, string>();

  /** The system's manager for root, the user's own for everybody else. */
  constructor(rootless: boolean) {
    const path = rootless ? `${process.env.XDG_RUNTIME_DIR ?? `/run/user/${process.getuid?.()}`}/systemd/private` : '/run/systemd/private';
    try {
      this.#stream = new UnixStream(path, TIMEOUT);
    } catch (cause) {
      throw new EngineError(
        'FailedPrecondition',
        `systemd does not answer at ${path} (${(cause as Error).message}): is it running here? Without it, leave out --systemd-cgroup`,
        { layer: 'runtime', cause },
      );
    }
    this.#authenticate();
  }

  /** Waits until the unit is there. Throws AlreadyExists for a unit of that name. */
  startTransientUnit(name: string, properties: readonly UnitProperty[]): void {
    const [job] = this.#call('StartTransientUnit', 'ssa(sv)a(sa(sv))', [name, 'replace', properties, []]);
    const result = this.#jobResult(job as string);
    if (result === 'done') return;
    this.resetFailedUnit(name);
    throw new EngineError('FailedPrecondition', `error creating systemd unit ${name}: its job ended with "${result}"`, {
      layer: 'runtime',
    });
  }

  setUnitProperties(name: string, properties: readonly UnitProperty[]): void {
    // Until the unit or the machine ends.
    this.#call('SetUnitProperties', 'sba(sv)', [name, true, properties]);
  }

  /** Waits until the unit is gone; one that is gone already is no error. */
  stopUnit(name: string): void {
    try {
      const [job] = this.#call('StopUnit', 'ss', [name, 'replace']);
      this.#jobResult(job as string);
    } catch (error) {
      if (!(error instanceof EngineError) || error.kind !== 'NotFound') throw error;
    }
    this.resetFailedUnit(name);
  }

  /** A unit that failed would keep its name. */
  resetFailedUnit(name: string): void {
    try {
      this.#call('ResetFailedUnit', 's', [name]);
    } catch {
      // It has not failed, or is gone.
    }
  }

  /** The cgroup that the manager itself, and so every unit of it, is in: '' for the system's. */
  controlGroup(): string {
    const answer = this.#call('Get', 'ss', [MANAGER, 'ControlGroup'], 'org.freedesktop.DBus.Properties');
    return ((answer[0] as [string, string])[1] ?? '').replace(/\/init\.scope$/, '').replace(/\/$/, '');
  }

  [Symbol.dispose](): void {
    this.#stream[Symbol.dispose]();
  }

  /** The mechanism EXTERNAL: the kernel tells the peer who we are. */
  #authenticate(): void {
    const uid = Buffer.from(String(process.geteuid?.() ?? 0)).toString('hex');
    this.#stream.write(Buffer.from(`\0AUTH EXTERNAL ${uid}\r\n`));
    let line = '';
    while (!line.endsWith('\r\n')) line += this.#stream.read(1).toString();
    if (!line.startsWith('OK '))
      throw new EngineError('PermissionDenied', `systemd refuses user ${process.geteuid?.()}: ${line.trim()}`, { layer: 'runtime' });
    this.#stream.write(Buffer.from('BEGIN\r\n'));
  }

  #call(member: string, signature: string, values: readonly unknown[], face = MANAGER): unknown[] {
    const serial = ++this.#serial;
    const body = marshal(signature, values);
    const fields = [
      [FIELD.PATH, ['o', OBJECT]],
      [FIELD.INTERFACE, ['s', face]],
      [FIELD.MEMBER, ['s', member]],
      [FIELD.DESTINATION, ['s', 'org.freedesktop.systemd1']],
      [FIELD.SIGNATURE, ['g', signature]],
    ];
    const header = marshal(HEADER, [LITTLE_ENDIAN, MESSAGE.CALL, 0, PROTOCOL_VERSION, body.length, serial, fields]);
    this.#stream.write(Buffer.concat([header, Buffer.alloc(-header.length & 7), body]));
    for (;;) {
      const message = this.#receive();
      if (message.fields.get(FIELD.REPLY_SERIAL) !== serial) continue;
      if (message.type === MESSAGE.RETURN) return message.body;
      throw refusal(member, String(message.fields.get(FIELD.ERROR_NAME)), String(message.body[0] ?? ''));
    }
  }

  #jobResult(job: string): string {
    while (!this.#ended.has(job)) this.#receive();
    return this.#ended.get(job) as string;
  }

  #receive(): Message {
    const fixed = this.#stream.read(FIXED);
    const fieldsLength = fixed.readUInt32LE(12);
    const rest = this.#stream.read(fieldsLength + (-fieldsLength & 7) + fixed.readUInt32LE(4));
    const [header] = unmarshal(`(${HEADER})`, Buffer.concat([fixed, rest.subarray(0, fieldsLength)]));
    const [, type, , , , , fields] = header as [number, number, number, number, number, number, [number, [string, unknown]][]];
    const message: Message = { type, fields: new Map(fields.map(([field, [, value]]) => [field, value])), body: [] };
    const signature = message.fields.get(FIELD.SIGNATURE);
    if (typeof signature === 'string') message.body = unmarshal(signature, rest.subarray(fieldsLength + (-fieldsLength & 7)));
    if (type === MESSAGE.SIGNAL && message.fields.get(FIELD.MEMBER) === 'JobRemoved') {
      const [, job, , result] = message.body as [number, string, string, string];
      this.#ended.set(job, result);
    }
    return message;
  }
}

function refusal(member: string, name: string, text: string): EngineError {
  const kind = name.endsWith('.UnitExists') ? 'AlreadyExists' : name.endsWith('.NoSuchUnit') ? 'NotFound' : 'FailedPrecondition';
  return new EngineError(kind, `systemd refuses ${member}: ${text || name}`, { layer: 'runtime', details: { name } });
}
