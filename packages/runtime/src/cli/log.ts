// Where berth-runtime says what went wrong: the file of --log, which callers read, or standard error; as text or, line by line, as JSON
// (both logrus' forms, of which containerd takes the last error).
import { appendFileSync, writeSync } from 'node:fs';

export type Level = 'error' | 'warning' | 'debug';

export class Log {
  readonly #file: string | undefined;
  readonly #json: boolean;

  constructor(options: { file: string | undefined; json: boolean }) {
    this.#file = options.file;
    this.#json = options.json;
  }

  write(level: Level, message: string): void {
    const time = new Date().toISOString();
    const line = this.#json
      ? `${JSON.stringify({ level, msg: message, time })}\n`
      : `time="${time}" level=${level} msg=${JSON.stringify(message)}\n`;
    try {
      if (this.#file === undefined) writeSync(2, line);
      else {
        appendFileSync(this.#file, line);
        if (level === 'error') writeSync(2, `${message}\n`);
      }
    } catch {
      // No place to complain is left.
    }
  }
}
