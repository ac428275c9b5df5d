// Version negotiation: `/v1.44/containers/json` and `/containers/json` are one route; the version decides which fields a reply
// has. A request without a version speaks the newest. Wordings are moby's (daemon/server/middleware/version.go).
import { API_VERSION, MIN_API_VERSION } from '@berth/api/system';
import { EngineError } from '@berth/errdefs/engine-error';
import { compareVersions } from './request.ts';

/**
 * The oldest that is answered. What /version says is where clients of the Engine API begin; containers/image, with which skopeo and podman
 * reach into an engine (docker-daemon:), asks for images in 1.22, and nothing of those calls has changed since.
 */
const OLDEST = '1.22';

const PREFIX = /^\/v(\d+\.\d+)(?=\/|$)/;

/** Splits a request's URL into the version it asks for and the path that is routed. */
export function splitVersion(url: string): { version: string; path: string; explicit: boolean } {
  const match = PREFIX.exec(url);
  if (!match?.[1]) return { version: API_VERSION, path: url, explicit: false };
  return { version: match[1], path: url.slice(match[0].length) || '/', explicit: true };
}

/** Throws InvalidArgument for a version that is not spoken. */
export function checkVersion(version: string): void {
  if (compareVersions(version, OLDEST) < 0) {
    throw new EngineError(
      'InvalidArgument',
      `client version ${version} is too old. Minimum supported API version is ${MIN_API_VERSION}, please upgrade your client to a newer version`,
      { layer: 'daemon' },
    );
  }
  if (compareVersions(version, API_VERSION) > 0) {
    throw new EngineError('InvalidArgument', `client version ${version} is too new. Maximum supported API version is ${API_VERSION}`, {
      layer: 'daemon',
    });
  }
}
