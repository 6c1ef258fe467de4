/** A real nginx, with a configuration of the test's own. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

/**
 * @param locations what stands in the `server` block
 * @param around what stands in the `http` block, before it
 */
export async function startNginx(port: number, locations: string, around = ''): Promise<{ stop(): Promise<void> }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'coatcheck-nginx-'))
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
  const child = spawn('nginx', ['-p', folder, '-e', 'stderr', '-c', path.join(folder, 'nginx.conf')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let output = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const ended = once(child, 'close')
  const stop = async () => {
    child.kill('SIGTERM')
    await ended
    await rm(folder, { recursive: true, force: true })
  }
  let hasEnded = false
  void ended.then(() => {
    hasEnded = true
  })
  while (!(await isListening(port))) {
    if (hasEnded) throw new Error(`nginx did not start:\n${output}`)
    await wait(20)
  }
  return { stop }
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
