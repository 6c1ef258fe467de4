import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { names } from '../../bench/gateway/subjects.ts'

const bench = fileURLToPath(new URL('../../bench/gateway/index.ts', import.meta.url))

it.each(['--only', '--profile'])(
  'the bench measures nothing for a name that is unknown, and says which there are: %s',
  (option) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [bench, option, 'coatcheck-warm,ngnix'], {
      encoding: 'utf8',
    })
    expect([status, stdout]).toEqual([1, ''])
    expect(stderr).toContain('There is no ngnix.')
    for (const name of ['raw-node', ...names]) expect(stderr).toContain(name)
  },
)
