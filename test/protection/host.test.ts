import { describe, expect, it } from 'vitest'
import { checkHost } from '../../src/protection/host.ts'

const secure = { host: 'app.example.com', isSecureOrigin: true }
const local = { host: 'localhost:3000', isSecureOrigin: false }
const refused = expect.objectContaining({ code: 'misdirected_request', status: 421 })

it.each([
  ['app.example.com', secure],
  ['APP.Example.com', secure],
  ['app.example.com:443', secure],
  ['localhost:3000', local],
  ['LOCALHOST:3000', local],
  ['plain.example:80', { host: 'plain.example', isSecureOrigin: false }],
])('%s is ours', (host, config) => {
  expect(() => checkHost({ host }, config)).not.toThrow()
})

describe('421 for', () => {
  it.each([
    ...[
      '',
      ' ',
      'evil.example',
      'app.example.com.',
      'app.example.com:80',
      'app.example.com:444',
      'app.example.com:',
      ':443',
    ],
    ...[
      'app.example.com:443:443',
      'sub.app.example.com',
      'example.com',
      'xapp.example.com',
      'app.example.com.evil.example',
    ],
    ...[
      'app.example.com, app.example.com',
      'app.example.com evil.example',
      'app.example.com\t',
      'user@app.example.com',
    ],
    ...[
      'app.example.com/',
      'https://app.example.com',
      'app.example.com#',
      'app.example.com%00',
      'аpp.example.com',
      '127.0.0.1',
    ],
  ])('%j', (host) => expect(() => checkHost({ host }, secure)).toThrow(refused))

  it('none', () => expect(() => checkHost({}, secure)).toThrow(refused))

  it.each(['localhost', 'localhost:80', 'localhost:3001', '127.0.0.1:3000', '[::1]:3000', 'rebound.evil.example:3000'])(
    '%s, another name or port of this machine',
    (host) => expect(() => checkHost({ host }, local)).toThrow(refused),
  )
})
