/** A real Envoy (`ENVOY_PATH`, or on the path), with what a connection manager of the test's own has. */
import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { proxyFolder, type RunningProxy, startProxy } from './proxy-process.ts'

const program = process.env.ENVOY_PATH ?? 'envoy'

export const hasEnvoy = spawnSync(program, ['--version']).status === 0

/** @param clusters where each leads, as an origin */
export async function startEnvoy(
  port: number,
  configs: readonly string[],
  clusters: Readonly<Record<string, string>>,
): Promise<RunningProxy> {
  const folder = await proxyFolder('envoy')
  const file = path.join(folder, 'envoy.yaml')
  const manager = configs.join('').replace(/^/gm, ' '.repeat(14))
  const config = `
static_resources:
  listeners:
    - address: { socket_address: { address: 127.0.0.1, port_value: ${port} } }
      filter_chains:
        - filters:
          - name: envoy.filters.network.http_connection_manager
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
              stat_prefix: test
${manager}
  clusters: ${JSON.stringify(Object.entries(clusters).map(([name, origin]) => cluster(name, new URL(origin))))}
`
  await writeFile(file, config)
  const parameters = ['--config-path', file, '--concurrency', '1', '--log-level', 'error', '--use-dynamic-base-id']
  return startProxy(program, parameters, { port, folder })
}

function cluster(name: string, { hostname, port }: URL): object {
  const address = { socket_address: { address: hostname, port_value: Number(port) } }
  const endpoints = [{ lb_endpoints: [{ endpoint: { address } }] }]
  return { name, type: 'STRICT_DNS', load_assignment: { cluster_name: name, endpoints } }
}
