// Which proxies requests go through: HTTP_PROXY, HTTPS_PROXY and NO_PROXY, as everywhere, and none to this machine itself. Go's
// programs have that last rule built in (ProxyFromEnvironment); Node's agents are told it.

const OWN_MACHINE = ['localhost', '[::1]', '127.0.0.0-127.255.255.255'];

/** For the `proxyEnv` of node:http's agents. */
export function proxyEnvironment(environment: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const exempt = environment.no_proxy ?? environment.NO_PROXY;
  return { ...environment, no_proxy: [...(exempt ? [exempt] : []), ...OWN_MACHINE].join(',') };
}
