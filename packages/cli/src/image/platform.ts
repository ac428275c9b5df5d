// `--platform` of the verbs on single images: typed `linux/arm64`, sent as JSON (Engine API since 1.46).
import { parsePlatform } from '@berth/oci/platform';

/** Fields for a request: none when the flag was not given. */
export function platformField(text: string | undefined): { platform?: string } {
  return text === undefined || text === '' ? {} : { platform: JSON.stringify(parsePlatform(text)) };
}
