// `berth info`
import type { InfoResponse } from '@berth/api/system';
import { binarySize } from '@berth/api/units';
import { daemonInfo } from '@berth/client/system/info';
import type { Command } from '../command.ts';
import { compileTemplate, goJson } from '../format/template.ts';
import { VERSION } from '../version.ts';

export const command: Command = {
  usage: 'info [OPTIONS]',
  description: 'Display system-wide information',
  flags: { format: { type: 'string', alias: 'f', description: "Format output: 'json' or a Go template" } },
  arguments: { min: 0, max: 0 },
  async run(context, args) {
    const info = await daemonInfo(context.engine);
    const format = args.string('format');
    const value = { ...info, ClientInfo: { Version: VERSION, Context: context.environment.DOCKER_CONTEXT ?? 'default' } };
    if (format === 'json') context.print(goJson(value));
    else if (format) context.print(compileTemplate(format, { strict: true, missing })(value));
    else {
      context.print(`Client: Berth\n Version:    ${VERSION}\n Context:    ${value.ClientInfo.Context}\n\nServer:`);
      for (const line of lines(info)) context.print(line);
      for (const warning of info.Warnings ?? []) context.warn(warning);
    }
  },
};

const missing = (field: string) => `can't evaluate field ${field} in type info`;

function lines(info: InfoResponse): string[] {
  const rows: [string, unknown][] = [
    ['Containers', info.Containers],
    [' Running', info.ContainersRunning],
    [' Paused', info.ContainersPaused],
    [' Stopped', info.ContainersStopped],
    ['Images', info.Images],
    ['Server Version', info.ServerVersion],
    ['Storage Driver', info.Driver],
    ...(info.DriverStatus ?? []).map(([name, value]) => [` ${name}`, value] as [string, unknown]),
    ['Logging Driver', info.LoggingDriver],
    ['Cgroup Driver', info.CgroupDriver],
    ['Cgroup Version', info.CgroupVersion],
    ['Plugins', ''],
    [' Volume', (info.Plugins?.Volume ?? []).join(' ')],
    [' Network', (info.Plugins?.Network ?? []).join(' ')],
    [' Log', (info.Plugins?.Log ?? []).join(' ')],
    ['Swarm', info.Swarm?.LocalNodeState],
    ['Runtimes', Object.keys(info.Runtimes ?? {}).join(' ')],
    ['Default Runtime', info.DefaultRuntime],
    ['Security Options', ''],
    ...(info.SecurityOptions ?? []).map((option) => [` ${option.split(',')[0]?.replace('name=', '')}`, undefined] as [string, unknown]),
    ['Kernel Version', info.KernelVersion],
    ['Operating System', info.OperatingSystem],
    ['OSType', info.OSType],
    ['Architecture', info.Architecture],
    ['CPUs', info.NCPU],
    ['Total Memory', binarySize(info.MemTotal)],
    ['Name', info.Name],
    ['ID', info.ID],
    ['Docker Root Dir', info.DockerRootDir],
    ['Debug Mode', info.Debug],
    ['Experimental', info.ExperimentalBuild],
    ['Insecure Registries', ''],
    ...(info.RegistryConfig?.InsecureRegistryCIDRs ?? []).map((range) => [` ${range}`, undefined] as [string, unknown]),
    ['Live Restore Enabled', info.LiveRestoreEnabled],
  ];
  return rows.map(([name, value]) => ` ${name}${value === undefined ? '' : `: ${value}`}`.trimEnd());
}
