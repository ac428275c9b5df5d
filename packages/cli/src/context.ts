// What every command works with: the daemon, the configuration file, the standard streams. Made once, by main.ts.
import { ContextStore } from '@berth/client/contexts/store';
import { chooseEndpoint, configDirectory, contextName, type Endpoint, type EndpointChoice } from '@berth/client/endpoint';
import { Engine } from '@berth/client/engine';
import { newTraceContext, type TraceContext } from '@berth/trace/context';
import { type ConfigFile, readConfigFile } from './config-file.ts';
import type { Arguments } from './parse.ts';

export class Context {
  readonly environment: NodeJS.ProcessEnv;
  readonly stdin = process.stdin;
  readonly stdout = process.stdout;
  readonly stderr = process.stderr;
  /** All requests of one command belong to one trace. */
  readonly trace: TraceContext = newTraceContext();
  readonly configDirectory: string;
  readonly #global: Arguments;
  #config: ConfigFile | undefined;
  #engine: Engine | undefined;

  constructor(global: Arguments, environment: NodeJS.ProcessEnv) {
    this.environment = environment;
    this.#global = global;
    this.configDirectory = global.string('config') ?? configDirectory(environment);
  }

  get config(): ConfigFile {
    this.#config ??= readConfigFile(this.configDirectory);
    return this.#config;
  }

  /** The daemon; nothing is sent before the first request. */
  get engine(): Engine {
    this.#engine ??= new Engine({
      endpoint: this.#endpoint(),
      headers: { ...this.config.HttpHeaders },
      trace: this.trace,
      ...(this.environment.DOCKER_API_VERSION ? { apiVersion: this.environment.DOCKER_API_VERSION } : {}),
    });
    return this.#engine;
  }

  /** Named endpoints. */
  get contexts(): ContextStore {
    return new ContextStore(this.configDirectory);
  }

  /** Which of them is in force. */
  get contextName(): string {
    return contextName(this.#choice());
  }

  print(line: string): void {
    this.stdout.write(`${line}\n`);
  }

  warn(line: string): void {
    this.stderr.write(`${line}\n`);
  }

  close(): void {
    this.#engine?.close();
  }

  #endpoint(): Endpoint {
    return chooseEndpoint(this.#choice());
  }

  #choice(): EndpointChoice {
    const flags = this.#global;
    return {
      environment: { ...this.environment, DOCKER_CONFIG: this.configDirectory },
      host: flags.string('host'),
      context: flags.string('context'),
      tls: flags.given('tls') ? flags.boolean('tls') : undefined,
      tlsVerify: flags.given('tlsverify') ? flags.boolean('tlsverify') : undefined,
      tlsCaCert: flags.string('tlscacert'),
      tlsCert: flags.string('tlscert'),
      tlsKey: flags.string('tlskey'),
    };
  }
}
