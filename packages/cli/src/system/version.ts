// `berth version`
import { CLIENT_API_VERSION } from '@berth/client/engine';
import { daemonVersion } from '@berth/client/system/version';
import { toEngineError } from '@berth/errdefs/engine-error';
import type { Command } from '../command.ts';
import { ExitError } from '../exit.ts';
import { compileTemplate, goJson } from '../format/template.ts';
import { VERSION } from '../version.ts';

export const command: Command = {
  usage: 'version [OPTIONS]',
  description: 'Show the Berth version information',
  flags: { format: { type: 'string', alias: 'f', description: "Format output: 'json' or a Go template" } },
  arguments: { min: 0, max: 0 },
  async run(context, args) {
    let unreachable: Error | undefined;
    const server = await daemonVersion(context.engine).catch((error) => {
      unreachable = toEngineError(error);
      return undefined;
    });
    const client = {
      Platform: { Name: 'Berth' },
      Version: VERSION,
      ApiVersion: server ? context.engine.apiVersion : CLIENT_API_VERSION,
      DefaultAPIVersion: CLIENT_API_VERSION,
      Os: process.platform,
      Arch: process.arch === 'x64' ? 'amd64' : process.arch,
      Context: context.contextName,
    };
    const value = { Client: withGoName(client), Server: server ? withGoName(server) : null };
    const format = args.string('format');
    if (format === 'json') context.print(goJson(value));
    else if (format) context.print(compileTemplate(format, { name: 'version', strict: true, missing })(value));
    else {
      context.print(
        section('Client: Berth', [
          ['Version', client.Version],
          ['API version', client.ApiVersion],
          ['OS/Arch', `${client.Os}/${client.Arch}`],
          ['Context', client.Context],
        ]),
      );
      if (server) {
        const rows: [string, string][] = [
          ['Version', server.Version],
          ['API version', `${server.ApiVersion} (minimum version ${server.MinAPIVersion})`],
          ['Git commit', server.GitCommit],
          ['OS/Arch', `${server.Os}/${server.Arch}`],
          ['Kernel', server.KernelVersion],
        ];
        const parts = (server.Components ?? [])
          .filter((component) => component.Name !== 'Engine')
          .map((component) => [` ${component.Name}`, component.Version] as [string, string]);
        context.print(`\n${section(`Server: ${server.Platform.Name}`, [...rows, ...parts])}`);
      }
    }
    if (unreachable) throw new ExitError(1, unreachable.message, unreachable);
    return 0;
  },
};

const missing = (field: string) => `can't evaluate field ${field} in type version`;

/** Templates say `.APIVersion`, the name of Go's field; JSON says `ApiVersion`. */
function withGoName<T extends { ApiVersion: string }>(value: T): T {
  return Object.defineProperty({ ...value }, 'APIVersion', { value: value.ApiVersion, enumerable: false });
}

function section(title: string, rows: readonly [string, string][]): string {
  return [title, ...rows.filter(([, value]) => value).map(([name, value]) => ` ${`${name}:`.padEnd(19)}${value}`)].join('\n');
}
