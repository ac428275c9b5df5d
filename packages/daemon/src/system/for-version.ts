// What the engine says of itself, as clients of older versions expect to find it (moby's api/docs/CHANGELOG: 1.25 to 1.50).
import type { DiskUsageResponse, InfoResponse } from '@berth/api/system';
import { summaryFor as containerFor } from '../containers/for-version.ts';
import { summaryFor as imageFor } from '../images/for-version.ts';
import type { Speaks } from '../server/request.ts';

export function infoFor(speaks: Speaks, info: InfoResponse): object {
  const { Containerd, ...rest } = info;
  const expected = (commit: { ID: string }) => (speaks('1.49') ? commit : { ...commit, Expected: commit.ID });
  return {
    ...rest,
    ...(speaks('1.46') ? { Containerd } : {}),
    ContainerdCommit: expected(info.ContainerdCommit),
    RuncCommit: expected(info.RuncCommit),
    InitCommit: expected(info.InitCommit),
    // Security options had only names.
    SecurityOptions: speaks('1.25') ? info.SecurityOptions : info.SecurityOptions.map((option) => option.replace(/^name=|,.*$/g, '')),
    ...(speaks('1.50') ? {} : { BridgeNfIptables: false, BridgeNfIp6tables: false }),
    RegistryConfig: speaks('1.47')
      ? info.RegistryConfig
      : { ...info.RegistryConfig, AllowNondistributableArtifactsCIDRs: null, AllowNondistributableArtifactsHostnames: null },
  };
}

export function diskUsageFor(speaks: Speaks, usage: DiskUsageResponse): DiskUsageResponse {
  const { BuilderSize, Images, Containers, ...rest } = usage;
  return {
    ...rest,
    // Here they were counted from the beginning, other than in a list of images.
    Images: Images?.map((image) => ({ ...imageFor(speaks, image), Containers: image.Containers })) ?? null,
    Containers: Containers?.map((container) => containerFor(speaks, container)) ?? null,
    ...(speaks('1.42') || BuilderSize === undefined ? {} : { BuilderSize }),
  };
}
