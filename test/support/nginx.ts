/** A real nginx, with a configuration of the test's own. */
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { proxyFolder, type RunningProxy, startProxy } from './proxy-process.ts'

/**
 * @param locations what stands in the `server` block
 * @param around what stands in the `http` block, before it
 */
export async function startNginx(port: number, locations: string, around = ''): Promise<RunningProxy> {
  const folder = await proxyFolder('nginx')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const config = `
daemon off;
worker_processes 1;
pid ${folder}/pid;
error_log stderr error;
events {}
http {
    access_log off;
    ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join('\n    ')}
${around}
    server {
        listen 127.0.0.1:${port};
        listen [::1]:${port};
${locations}
    }
}
`
  await writeFile(path.join(folder, 'nginx.conf'), config)
  const parameters = ['-p', folder, '-e', 'stderr', '-c', path.join(folder, 'nginx.conf')]
  return startProxy('nginx', parameters, { port, folder })
}
